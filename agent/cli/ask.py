"""``collegium ask``: one question to the screen or as JSON, or a file of questions to a file of answers.

Knows the command's options and the rows of DESIGN's scripting interface; not how an answer comes about.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.batch import Row, run_batch
from agent.cli.retrieve import AsOf, Where
from skills.errors import UserError
from skills.records import Configuration, Passage

if TYPE_CHECKING:
    from agent.app import Agent
    from agent.events import Answer
    from agent.request import AskOptions


def command(
    question: Annotated[
        str | None, typer.Argument(help="The question; left out: read from standard input.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as one JSON object.")] = False,
    source: Annotated[
        Path | None,
        typer.Option("--in", help="JSON Lines: {id, question, session?, passages?: [{id, text}]}."),
    ] = None,
    target: Annotated[
        Path | None, typer.Option("--out", help="JSON Lines of the answers, in input order.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Keep --out's finished rows and go on.")] = False,
    domain: Annotated[str | None, typer.Option("--domain", help="Ask this domain; default: routed.")] = None,
    store: Annotated[
        Path | None, typer.Option("--store", help="Use this index instead of the domain's own.")
    ] = None,
    configuration: Annotated[
        Configuration, typer.Option("--config", help="What takes part in answering.")
    ] = "lora+rag",
    session: Annotated[
        str | None, typer.Option("--session", help="Remember the turn in this session.")
    ] = None,
    user: Annotated[
        str | None, typer.Option("--user", help="Whose session and memory; default with --session: yours.")
    ] = None,
    where: Where = None,
    as_of: AsOf = None,
) -> None:
    """Answer one question, or every question of a file."""
    if (source is None) != (target is None):
        raise UserError("--in and --out go together: collegium ask --in Q.jsonl --out A.jsonl")
    if source is not None and question is not None:
        raise UserError("give either a question or --in, not both")
    if resume and source is None:
        raise UserError("--resume needs --in and --out")
    text = _question(question) if source is None else ""

    from agent import Agent
    from skills.retrieval.filters import filter_of

    options: AskOptions = {
        "session": session,
        "user": user,
        "domain": domain,
        "store": store,
        "configuration": configuration,
        "where": filter_of(where or (), as_of),
    }
    with Agent.from_settings() as agent:
        if source is not None and target is not None:
            run_batch(
                source,
                target,
                resume=resume,
                required=("question",),
                check=check_row,
                answer=lambda row: answer_row(agent, row, options),
                label="ask",
            )
        elif as_json:
            answer = decided(agent, session, agent.ask(text, **options))
            print(json.dumps({"question": text, **answer.to_json()}, ensure_ascii=False))
        else:
            _show(agent, text, options)


def check_row(row: Row) -> None:
    """Raise UserError for a row that cannot be asked."""
    from agent.request import LONGEST_QUESTION

    question = row["question"]
    if not isinstance(question, str) or not question.strip():
        raise UserError(f"'question' should be a text that is not empty, got {question!r}")
    if len(question) > LONGEST_QUESTION:
        raise UserError(
            f"'question' has {len(question):,} characters; at most {LONGEST_QUESTION:,} are taken"
        )
    session = row.get("session")
    if session is not None and (not isinstance(session, str) or not session.strip()):
        raise UserError(f"'session' should be a name, got {session!r}")
    _passages(row)


def answer_row(agent: Agent, row: Row, options: AskOptions) -> Row:
    """The output's keys for one row; a row's own session comes before the command's."""
    session = row.get("session") or options.get("session")
    own: AskOptions = {**options, "session": session, "passages": _passages(row)}
    return decided(agent, session, agent.ask(row["question"], **own)).to_json()


def decided(agent: Agent, session: str | None, answer: Answer) -> Answer:
    """The answer, with a tool call that waits for approval refused: a script has nobody to ask."""
    if session is None or answer.awaiting is None:
        return answer
    return agent.approve(session, False, call=answer.awaiting.id)


def _passages(row: Row) -> tuple[Passage, ...] | None:
    """The row's own passages. None: it has none, so the store is searched."""
    given = row.get("passages")
    if given is None:
        return None
    passages: list[Passage] = []
    optional = ("title", "source", "jurisdiction", "as_of", "effective", "expires")
    for one in given if isinstance(given, list) else [given]:
        if not isinstance(one, dict) or not all(isinstance(one.get(key), str) for key in ("id", "text")):
            raise UserError(
                f'\'passages\' should be a list of {{"id": text, "text": text}}, got {str(one)[:80]}'
            )
        passages.append(Passage(one["id"], one["text"], **{key: str(one.get(key) or "") for key in optional}))
    if len({passage.id for passage in passages}) != len(passages):
        raise UserError("'passages' has an id twice; ids tell citations apart")
    return tuple(passages)


def _question(given: str | None) -> str:
    if given is not None and given != "-":
        return given
    if sys.stdin.isatty():
        raise UserError('no question; try: collegium ask "What are common side effects of metformin?"')
    return sys.stdin.read().strip()


def _show(agent: Agent, text: str, options: AskOptions) -> None:
    from rich.console import Console

    from agent.cli.render import TurnView
    from agent.events import Answered

    view = TurnView(Console(highlight=False), agent.domains)
    answer = view.show(agent.stream(text, **options))
    if (refused := decided(agent, options.get("session"), answer)) is not answer:
        view.show((Answered(refused),))

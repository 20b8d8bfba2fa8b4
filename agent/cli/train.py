"""``collegium train METHOD``: every learning method with the same options and the same run folder.

Common settings are options; what only one method has goes through ``--set name=value`` and is checked by the
method's own schema. Knows no method's work.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError

from skills.errors import UserError

if TYPE_CHECKING:
    from skills.learning.run import TrainingConfig

app = typer.Typer(help="Train adapters, encoders and heads from JSON Lines.", no_args_is_help=True)

Train = Annotated[list[Path], typer.Option("--train", help="Rows to learn from; may be given several times.")]
Dev = Annotated[list[Path], typer.Option("--dev", help="Rows to choose by; never learned from.")]
Out = Annotated[Path, typer.Option("--out", help="Run folder: config, curves, best/, metrics, CARD.md.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of everything drawn at random.")]
Threads = Annotated[int, typer.Option("--threads", help="CPU threads, 0: all cores.")]
Resume = Annotated[bool, typer.Option("--resume", help="Continue an unfinished run in --out.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", help="NAME=VALUE of a setting of this method; repeat it.")
]


@app.command("answer")
def answer(
    train: Train,
    dev: Dev,
    out: Out,
    domain: Annotated[
        str | None, typer.Option("--domain", help="Take the system prompt of this domain.")
    ] = None,
    seed: Seed = 0,
    threads: Threads = 0,
    resume: Resume = False,
    settings: Set = None,
) -> None:
    """An adapter that writes cited answers. Rows: {question, evidence, answer} (see: collegium data grounded)."""
    from skills.learning.answer import AnswerConfig
    from skills.learning.answer import train as run

    given: dict[str, Any] = {}
    if domain is not None:
        from agent.settings import make_settings
        from skills.pack import discover, find

        known = make_settings()
        packs, _ = discover(known.domains, known.trusted_domains)
        given["system"] = find(packs, domain).prompt("system").render()
    common = {"train": train, "dev": dev, "out": out, "seed": seed, "threads": threads, "resume": resume}
    _run(run, AnswerConfig, given | common, settings)


@app.command("evidence")
def evidence(
    train: Train,
    dev: Dev,
    out: Out,
    seed: Seed = 0,
    threads: Threads = 0,
    resume: Resume = False,
    settings: Set = None,
) -> None:
    """An encoder that finds evidence. Rows: {question, positives, negatives} (see: collegium data negatives)."""
    from skills.learning.evidence import EvidenceConfig
    from skills.learning.evidence import train as run

    common = {"train": train, "dev": dev, "out": out, "seed": seed, "threads": threads, "resume": resume}
    _run(run, EvidenceConfig, common, settings)


@app.command("retriever")
def retriever(
    train: Train,
    dev: Dev,
    out: Out,
    seed: Seed = 0,
    threads: Threads = 0,
    resume: Resume = False,
    settings: Set = None,
) -> None:
    """An encoder that finds passages. Rows: {question, positives, negatives} (see: collegium data negatives)."""
    from skills.learning.retriever import RetrieverConfig
    from skills.learning.retriever import train as run

    common = {"train": train, "dev": dev, "out": out, "seed": seed, "threads": threads, "resume": resume}
    _run(run, RetrieverConfig, common, settings)


@app.command("support")
def support(
    train: Train,
    dev: Dev,
    out: Out,
    seed: Seed = 0,
    threads: Threads = 0,
    resume: Resume = False,
    settings: Set = None,
) -> None:
    """A checker of sentences. Rows: {sentence, parts, kind, supported} (see: collegium data support)."""
    from skills.learning.support import SupportConfig
    from skills.learning.support import train as run

    common = {"train": train, "dev": dev, "out": out, "seed": seed, "threads": threads, "resume": resume}
    _run(run, SupportConfig, common, settings)


@app.command("classify")
def classify(
    train: Train,
    dev: Dev,
    out: Out,
    seed: Seed = 0,
    threads: Threads = 0,
    resume: Resume = False,
    settings: Set = None,
) -> None:
    """A classifier of texts. Rows: {text, label}; `collegium predict` runs it."""
    from skills.learning.classify import ClassifyConfig
    from skills.learning.classify import train as run

    common = {"train": train, "dev": dev, "out": out, "seed": seed, "threads": threads, "resume": resume}
    _run(run, ClassifyConfig, common, settings)


@app.command("tokens")
def tokens(
    train: Train,
    dev: Dev,
    out: Out,
    seed: Seed = 0,
    threads: Threads = 0,
    resume: Resume = False,
    settings: Set = None,
) -> None:
    """A tagger of words. Rows: {tokens: [word], tags: [BIO tag]}; `collegium predict` runs it."""
    from skills.learning.tokens import TokensConfig
    from skills.learning.tokens import train as run

    common = {"train": train, "dev": dev, "out": out, "seed": seed, "threads": threads, "resume": resume}
    _run(run, TokensConfig, common, settings)


@app.command("route")
def route(
    train: Train,
    dev: Dev,
    out: Out,
    seed: Seed = 0,
    threads: Threads = 0,
    resume: Resume = False,
    settings: Set = None,
) -> None:
    """A router head. Rows: {text, label, lang?}; the label "general" stands for out of scope."""
    from skills.learning.route import RouteConfig
    from skills.learning.route import train as run

    common = {"train": train, "dev": dev, "out": out, "seed": seed, "threads": threads, "resume": resume}
    _run(run, RouteConfig, common, settings)


def _run(
    method: Callable[[Any, Callable[[int, int, str], None]], Mapping[str, Any]],
    schema: type[TrainingConfig],
    values: dict[str, Any],
    settings: list[str] | None,
) -> None:
    for item in settings or ():
        name, sign, text = item.partition("=")
        if not sign:
            raise UserError(f"--set {item!r}: expected NAME=VALUE; known names: {_names(schema)}")
        values[name] = text
    try:
        config = schema.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise UserError(
            f"setting {name!r}: {first['msg']}; known names: {_names(schema)}", subject=values
        ) from error
    with _progress() as progress:
        metrics = method(config, progress)
    print(json.dumps(dict(metrics), indent=1))


def _names(schema: type[TrainingConfig]) -> str:
    return ", ".join(sorted(schema.model_fields))


@contextmanager
def _progress() -> Generator[Callable[[int, int, str], None]]:
    """A bar on standard error with loss and time left, on a terminal only."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("train", total=None)
        yield lambda done, total, message: bar.update(task, completed=done, total=total, description=message)

"""``collegium route``: which domains own a question, for one question or a file. Knows rows, not routing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.batch import Row, run_batch
from skills.errors import UserError

if TYPE_CHECKING:
    from agent.router import Router


def command(
    text: Annotated[str | None, typer.Argument(help="A question.", show_default=False)] = None,
    source: Annotated[Path | None, typer.Option("--in", help="JSON Lines: {id, text}.")] = None,
    target: Annotated[
        Path | None,
        typer.Option("--out", help="JSON Lines: the rows with {domains, probabilities, ms}."),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show the words that mattered and the nearest examples.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Keep --out's finished rows and go on.")] = False,
) -> None:
    """Say which domains own a question; "general" is out of scope. Give a question, or --in and --out."""
    if (text is None) == (source is None) or (source is None) != (target is None):
        raise UserError('give either a question ("collegium route TEXT") or both --in FILE and --out FILE')
    if text is not None:
        _check({"text": text})
        router = _router()
        _show(router, text, explain)
        return
    assert source is not None  # noqa: S101  (checked above)
    assert target is not None  # noqa: S101
    router = _router()
    run_batch(
        source,
        target,
        resume=resume,
        required=("text",),
        check=_check,
        answer=lambda row: _answer(router, row["text"]),
        label="route",
    )


def _router() -> Router:
    """The router of the packs that are there, with its models loaded."""
    from agent.router import Router
    from agent.settings import make_settings
    from skills.pack import discover

    settings = make_settings()
    packs, _ = discover(settings.domains, settings.trusted_domains)
    router = Router.load(packs)
    for warm_up in ("hello", "你好"):
        router.route(warm_up)
    return router


def _check(row: Row) -> None:
    text = row["text"]
    if not isinstance(text, str) or not text.strip():
        raise UserError(f"'text' should be a text that is not empty, got {text!r}")


def _answer(router: Router, text: str) -> Row:
    routed = router.route(text)
    return {
        "domains": list(routed.domains),
        "probabilities": {name: round(share, 6) for name, share in routed.probabilities.items()},
        "ms": round(routed.milliseconds, 3),
    }


def _show(router: Router, text: str, explain: bool) -> None:
    if not explain:
        print(json.dumps(_answer(router, text), ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table

    found = router.explain(text)
    asked = ", ".join(found.routed.domains) or ("nobody, it is unclear" if found.routed.unclear else "nobody")
    table = Table(
        "domain", "probability", title=f"asked: {asked}", caption=f"relied on from {found.certainty:.2f}"
    )
    for name, share in sorted(found.routed.probabilities.items(), key=lambda item: -item[1]):
        table.add_row(name, f"{share:.3f}")
    words = Table("word", f"for {found.label}")
    for word, weight in found.words:
        words.add_row(word, f"{weight:+.2f}")
    nearest = Table("nearest examples", "domain")
    for row in found.nearest:
        nearest.add_row(row.text, row.label)
    console = Console()
    for part in (table, words, nearest):
        console.print(part)

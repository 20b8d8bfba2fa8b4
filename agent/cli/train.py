"""``collegium train METHOD``: every learning method with the same options and the same run folder.

Common settings are options; what only one method has goes through ``--set name=value`` and is checked by the
method's own schema. Knows no method's work.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError

from agent.cli.progress import step_bar
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


_METHODS = {
    "evidence": "An encoder that finds evidence. Rows: {question, positives, negatives} "
    "(see: collegium data negatives).",
    "retriever": "An encoder that finds passages. Rows: {question, positives, negatives} "
    "(see: collegium data negatives).",
    "support": "A checker of sentences. Rows: {sentence, parts, kind, supported} (see: collegium data support).",
    "classify": "A classifier of texts. Rows: {text, label}; `collegium predict` runs it.",
    "tokens": "A tagger of words. Rows: {tokens: \\[word], tags: \\[BIO tag]}; `collegium predict` runs it.",
    "route": 'A router head. Rows: {text, label, lang?}; the label "general" stands for out of scope.',
}
"""Help of the methods that need no option of their own, by module of ``skills.learning``."""


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
    given: dict[str, Any] = {}
    if domain is not None:
        from agent.settings import make_settings
        from skills.pack import discover, find

        known = make_settings()
        packs, _ = discover(known.domains, known.trusted_domains)
        given["system"] = find(packs, domain).prompt("system").render()
    common = {"train": train, "dev": dev, "out": out, "seed": seed, "threads": threads, "resume": resume}
    _run("answer", given | common, settings)


@app.command("average")
def average(
    of: Annotated[list[Path], typer.Option("--of", help="A run's best/ folder; give two or more.")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write.")],
) -> None:
    """The mean of encoders or adapters of one line: runs that went on from one another, or from one start."""
    from skills.learning.average import average as mean

    print(f"{out}: the mean of {len(of)}, {mean(of, out):,} numbers")


def _command(name: str) -> Callable[..., None]:
    """The command of a method that needs no option of its own."""

    def command(
        train: Train,
        dev: Dev,
        out: Out,
        seed: Seed = 0,
        threads: Threads = 0,
        resume: Resume = False,
        settings: Set = None,
    ) -> None:
        common = {"train": train, "dev": dev, "out": out, "seed": seed, "threads": threads, "resume": resume}
        _run(name, common, settings)

    return command


for _name, _help in _METHODS.items():
    app.command(_name, help=_help)(_command(_name))


def _run(method: str, values: dict[str, Any], settings: list[str] | None) -> None:
    """Train with ``skills.learning.<method>``: its ``train``, with its ``<Method>Config``."""
    module = import_module(f"skills.learning.{method}")
    schema: type[TrainingConfig] = getattr(module, f"{method.capitalize()}Config")
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
    with step_bar("train") as progress:
        metrics: Mapping[str, Any] = module.train(config, progress)
    print(json.dumps(dict(metrics), indent=1))


def _names(schema: type[TrainingConfig]) -> str:
    return ", ".join(sorted(schema.model_fields))

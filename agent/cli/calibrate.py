"""``collegium calibrate``: fit when a domain's passages count as evidence. Knows files and options, not the fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.progress import step_bar
from skills.errors import UserError

if TYPE_CHECKING:
    from skills.pack import Pack

OWN = 3.0
"""Weight of a domain's own questions in a language, each counting alike, where a given file has 1."""
OWN_FILES = ("questions*.jsonl", "*.dev.jsonl")
"""Files of a pack's eval folder that are read; those named ``*_zh.*`` ask its Chinese notes."""


def command(
    domain: Annotated[
        str | None,
        typer.Argument(help="Domain that is fitted; without one, give --out, --questions and --store."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Folder of decision.json, report.md and reliability.svg; default: DOMAIN's calibration/.",
        ),
    ] = None,
    questions: Annotated[
        list[Path] | None,
        typer.Option("--questions", help="Rows {question, gold: \\[passage id], answerable?}; repeat it."),
    ] = None,
    store: Annotated[
        list[Path] | None, typer.Option("--store", help="Store of each --questions file.")
    ] = None,
    evidence: Annotated[
        Path | None,
        typer.Option("--evidence", help="Artefact of `train evidence`; default: the shipped one."),
    ] = None,
) -> None:
    """Fit on the domain's own eval questions and on further ones; scored on questions that were held back."""
    from skills.files import atomic_folder, write_json
    from skills.grounding.evidence import load_evidence
    from skills.learning.calibration import calibrate, figures
    from skills.learning.calibration_report import diagram, report
    from skills.pack import discover, find

    questions, store = questions or [], store or []
    if len(questions) != len(store):
        raise UserError(
            f"{len(questions)} --questions but {len(store)} --store; give one store for each file"
        )
    files = [(path, folder, 1.0) for path, folder in zip(questions, store, strict=True)]
    pack = None
    if domain is not None:
        from agent.settings import make_settings

        settings = make_settings()
        pack = find(discover(settings.domains, settings.trusted_domains)[0], domain)
        files = [*_own(pack), *files]
    if out is None and pack is not None:
        out = pack.folder / "calibration"
    if out is None:
        raise UserError("give --out DIR, or name a domain")
    if out.exists() and not (out / "decision.json").is_file():
        raise UserError(
            f"--out {str(out)!r} is there and holds no calibration; choose another folder", subject=out
        )
    if not files:
        raise UserError(
            "nothing to fit on; name a domain with eval/questions.jsonl, or give --questions and --store"
        )
    with step_bar("calibrate") as told:
        cost = pack.manifest.wrong_answer_cost if pack is not None else 1.0
        decision, predictions = calibrate(files, load_evidence(evidence), told, cost)
    name = domain or "the store"
    with atomic_folder(out) as partial:
        write_json(partial / "decision.json", decision.model_dump())
        (partial / "report.md").write_text(report(name, decision, predictions), encoding="utf-8")
        (partial / "reliability.svg").write_text(diagram(predictions), encoding="utf-8")
    print(json.dumps(figures(predictions, decision, "balanced"), indent=1))


def _own(pack: Pack) -> list[tuple[Path, Path, float]]:
    """The domain's own files with the store that each asks, and their weights."""
    from skills.files import read_jsonl

    paths = sorted(path for kind in OWN_FILES for path in (pack.folder / "eval").glob(kind))
    rows = {path: sum(1 for _ in read_jsonl(path)) for path in paths}
    found: list[tuple[Path, Path, float]] = []
    for path in paths:
        alike = [other for other in paths if _chinese(other) == _chinese(path)]
        store = (pack.chinese_index if _chinese(path) else None) or pack.index
        found.append((path, store, OWN * rows[path] / max(1, sum(rows[other] for other in alike))))
    return found


def _chinese(path: Path) -> bool:
    return path.name.partition(".")[0].endswith("_zh")

"""``collegium eval``: what the agent and each of its parts are worth. Knows commands, not scores."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from agent.cli import eval_annotate, eval_compare, eval_export, eval_feedback, eval_gate, eval_report
from agent.cli.progress import row_bars
from skills.errors import UserError

if TYPE_CHECKING:
    from agent.evaluation.items import LoadedSet
    from agent.evaluation.system import System
    from agent.settings import Settings
    from skills.pack import Pack

_RUN = "run"


class _RunsByDefault(TyperGroup):
    """``collegium eval medical --out DIR`` is ``collegium eval run medical --out DIR``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = [_RUN, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    help="What the agent and each of its parts are worth, with intervals.",
    cls=_RunsByDefault,
    no_args_is_help=True,
)

Split = Annotated[str, typer.Option("--split", help="dev, to choose by, or test, to report.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def group() -> None:
    """What the agent and each of its parts are worth, with intervals."""


@app.command(_RUN)
def run(
    targets: Annotated[
        list[str] | None,
        typer.Argument(help="Domains, suites (.yaml) or files of items (.jsonl); none: all domains."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder of results.jsonl, summary.json, report.html and report.md."),
    ] = None,
    configs: Annotated[
        str | None,
        typer.Option("--configs", help="What takes part in answering, with commas; default: the suite's."),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=1, help="Items of each set, at most, instead of its own limit."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of drawn items and of resamples.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Keep --out's finished rows and go on.")] = False,
    variables: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=VALUE: what ${NAME} stands for in suites.")
    ] = None,
    task: Annotated[
        str | None, typer.Option("--task", help="Task of .jsonl files; default: told by keys.")
    ] = None,
    workers: Annotated[
        int, typer.Option("--workers", min=1, help="Items asked at once; times are best measured with 1.")
    ] = 1,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds an item may take.")] = 120.0,
    price: Annotated[
        str | None,
        typer.Option(
            "--price", help="READ,WRITTEN: price of a million tokens, for what a paid model would have cost."
        ),
    ] = None,
) -> None:
    """Ask every item in every configuration; scores, differences, and what it took."""
    if out is None:
        raise UserError("give --out DIR, the folder of the results")
    prices = None if price is None else _prices(price)

    from agent.evaluation.items import load_sets
    from agent.evaluation.report import write_report
    from agent.evaluation.run import run as make_rows
    from agent.evaluation.run import work_of
    from agent.evaluation.suite import configurations_of, resolve, variables_of
    from agent.evaluation.summary import write_summary
    from agent.evaluation.system import System
    from agent.settings import make_settings
    from skills.pack import discover

    settings = make_settings()
    packs, _ = discover(settings.domains, settings.trusted_domains)
    suite = resolve(targets or [], packs, variables_of(variables or []), task)
    names = configurations_of(configs, suite)
    sets = load_sets(suite.sets, [pack.name for pack in packs], limit=limit, seed=seed, note=_note)
    with System(settings, timeout=timeout) as system:
        plan = _plan(settings, system, sets, names, packs, limit=limit, seed=seed, workers=workers)
        work = work_of(sets, names)
        with row_bars() as bar:
            started = partial(bar, "eval")
            make_rows(work, system, out, plan=plan, resume=resume, workers=workers, started=started)
    summary = write_summary(out, command=_command(), prices=prices)
    write_report(out)
    _show(summary, out)


@app.command("planning")
def planning(
    split: Split = "test",
    as_json: AsJson = False,
) -> None:
    """Requests to several domains, follow-ups and calculators: the right ones, with 95 % intervals. With
    COLLEGIUM_PLANNER=model the base model plans."""
    from agent.composition import compose_college
    from agent.evaluation.planning import SPLITS, scores
    from agent.settings import make_settings

    if split not in SPLITS:
        raise UserError(f"--split {split!r}: expected one of {SPLITS}")
    college = compose_college(make_settings())
    try:
        callers = {one.name: college.caller(one.name) for one in college.domains if not one.error}
        _show_shares(scores(split, college.router, callers, college.planner), as_json)
    finally:
        college.close()


@app.command("memory")
def memory(split: Split = "test", as_json: AsJson = False) -> None:
    """What remembered facts are worth: the same questions with recall and without, with 95 % intervals. No fact of
    yours is read or touched."""
    from tempfile import TemporaryDirectory

    from agent import Agent
    from agent.evaluation.planning import SPLITS
    from agent.evaluation.recall import scores

    if split not in SPLITS:
        raise UserError(f"--split {split!r}: expected one of {SPLITS}")
    with TemporaryDirectory() as folder, Agent.from_settings(sessions=Path(folder) / "s.sqlite") as agent:
        _show_shares(scores(split, agent), as_json)


app.command("report")(eval_report.report)
app.command("table")(eval_report.table)
app.command("compare")(eval_compare.command)
app.command("gate")(eval_gate.command)
app.command("annotate")(eval_annotate.command)
app.command("feedback")(eval_feedback.command)
app.command("export")(eval_export.command)


def _plan(
    settings: Settings,
    system: System,
    sets: Sequence[LoadedSet],
    configurations: Sequence[str],
    packs: Sequence[Pack],
    **options: Any,
) -> dict[str, Any]:
    """Everything that results depend on: two runs with one plan give the same rows."""
    return {
        "configs": list(configurations),
        "data": {
            one.name: {
                "path": one.spec.file,
                "sha256": one.sha256,
                "rows": len(one.items),
                "task": one.task.name,
            }
            for one in sets
        },
        "metrics": {one.name: list(one.spec.metrics) for one in sets},
        "sets": {one.name: one.spec.model_dump(exclude_defaults=True) for one in sets},
        "base": settings.base,
        "engine": system.engine.name,
        "risk": settings.risk,
        "packs": {pack.name: _parts(pack) for pack in packs},
        **options,
    }


def _parts(pack: Pack) -> dict[str, str]:
    """Hashes of what a pack answers with."""
    from skills.files import sha256_file

    files = (
        pack.index / "manifest.json",
        pack.notes_of("zh")[1] / "manifest.json",
        pack.folder / "adapter" / "adapter_model.safetensors",
    )
    return {path.parent.name: sha256_file(path) for path in files if path.is_file()}


def _command() -> str:
    return " ".join(["collegium", *sys.argv[1:]])


def _prices(text: str) -> tuple[float, float]:
    try:
        read, written = (float(part) for part in text.split(","))
    except ValueError:
        read = written = -1.0
    if not (0 <= read < math.inf and 0 <= written < math.inf):
        raise UserError(f"--price {text!r}: expected two prices of a million tokens, for example 0.15,0.60")
    return read, written


def _note(message: str) -> None:
    print(f"note: {message}", file=sys.stderr)


def _show(summary: dict[str, Any], out: Path) -> None:
    """The main figures, one a line; everything is in the folder."""
    from agent.evaluation.tasks import TASKS

    for name, found in summary["sets"].items():
        failed = sum(counts["failed"] for counts in found["counts"].values())
        print(f"{name} ({found['task']}, n {found['n']}{f', {failed} failed' if failed else ''})")
        if failed and (error := _first_error(out, name)):
            print(f"  first error: {error}")
        for config, figures in found["metrics"].items():
            main = [figure for figure in TASKS[found["task"]].primary if figure in figures]
            for figure in main or figures:
                one = figures[figure]
                print(
                    f"  {config:<14}{figure:<20}{one['value']:.3f}  "
                    f"({one['low']:.3f} to {one['high']:.3f}, n {one['n']})"
                )
    print(f"written to {str(out)!r}")


def _first_error(out: Path, name: str) -> str:
    """Why the first item of a set that failed did."""
    from agent.evaluation.run import RESULTS
    from skills.files import read_jsonl

    rows = (row for row in read_jsonl(out / RESULTS) if row["set"] == name)
    return next((str(row["error"]) for row in rows if row["error"]), "")


def _show_shares(found: dict[str, dict[str, float]], as_json: bool) -> None:
    if as_json:
        print(json.dumps(found, indent=1))
        return
    for name, figure in found.items():
        interval = f"{figure['low']:.2f} to {figure['high']:.2f}"
        print(f"{name:<48}{figure['share']:.3f}  ({interval}, n {figure['n']:.0f})")

"""The report of a finished run: ``report.html``, one page that needs nothing else, and ``report.md``."""

from __future__ import annotations

from pathlib import Path

from agent.evaluation.compare import compare
from agent.evaluation.report import html, markdown
from agent.evaluation.run_files import Run
from skills.files import atomic_file


def write_report(folder: Path, earlier: Path | None = None) -> None:
    """Write ``report.html`` and ``report.md`` of the run in ``folder`` beside its files.

    earlier: folder of another run, whose differences are shown too. Raises UserError where a folder holds no
    run or the two have nothing in common, DataError for a file that cannot be read.
    """
    run = Run(folder)
    comparison = None if earlier is None else compare(Run(earlier), run)
    pages = {"report.html": html.page(run, comparison), "report.md": markdown.page(run, comparison)}
    for name, text in pages.items():
        with atomic_file(folder / name) as partial:
            partial.write_text(text, encoding="utf-8")

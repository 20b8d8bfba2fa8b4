"""A finished run in the formats of neighbours: one module a format, each with ``write(run, out)``.

``write`` makes new files in the folder ``out`` and gives their paths. It raises UserError when the run holds nothing
for its format, or when a library that it needs is not installed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from agent.evaluation.export import inspect, lm_eval, trec
from agent.evaluation.run_files import Run

WRITERS: dict[str, Callable[[Run, Path], list[Path]]] = {
    "trec": trec.write,
    "lm-eval": lm_eval.write,
    "inspect": inspect.write,
}

"""Tables and the report as Markdown. Whatever a cell holds is shown as text: no markup, link or HTML comes of it."""

from __future__ import annotations

import re

from agent.evaluation.compare import Comparison
from agent.evaluation.feedback import means, rated, ratings_of
from agent.evaluation.report import tables
from agent.evaluation.report.tables import Cell, Table
from agent.evaluation.run_files import Run

WORST = 20
"""Errors listed; the page in HTML has all that the run kept."""
_LONGEST = 200
"""Characters of a question or answer."""

_MARKUP = re.compile(r"([\\`*_\[\]|!~#$])")
_LIST = re.compile(r"^(\d*)([-+.)])(?= |$)")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069]")


def escape(text: str) -> str:
    """A text for one line or cell, in which nothing is markup."""
    line = " ".join(_CONTROL.sub("", text).split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _LIST.sub(r"\1\\\2", _MARKUP.sub(r"\\\1", line))


def table(one: Table) -> str:
    """A pipe table; the best figures are bold, notes stand in parentheses."""
    lines = [
        _line([escape(name) for name in one.header]),
        _line(["---" if place < one.labels else "--:" for place in range(len(one.header))]),
        *(_line([_cell(cell) for cell in row]) for row in one.rows),
    ]
    return "\n".join(lines) + "\n"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell) -> str:
    text = escape(cell.text)
    text = f"**{text}**" if cell.best else text
    return " ".join([text, *(f"({escape(note)})" for note in cell.notes)])


def page(run: Run, comparison: Comparison | None) -> str:
    """The report of a run; with what changed since an earlier one, if one is given."""
    summary = run.summary
    shown = [tables.headline(summary), tables.differences(summary), tables.counts(summary)]
    for name, found in summary.sets.items():
        shown += [
            tables.scores(name, found),
            *tables.slices(name, found),
            *tables.confusions(name, found),
        ]
    shown += [tables.resources(summary), tables.ratings(means(rated(run, ratings_of(run))))]
    if comparison is not None:
        shown += [tables.score_changes(comparison), tables.stage_changes(comparison)]
    parts = ["# Evaluation", *map(_section, filter(_filled, shown)), _worst(run)]
    parts += map(_section, filter(_filled, (tables.environment(summary), tables.data(summary))))
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def _filled(one: Table) -> bool:
    return bool(one.rows) and len(one.header) > 1


def _section(one: Table) -> str:
    return f"## {escape(one.title)}\n\n{table(one)}"


def _worst(run: Run) -> str:
    """The worst errors, a line each."""
    lines: list[str] = []
    for worst in run.summary.worst[:WORST]:
        found = run.results.get((worst.set, worst.id, worst.config))
        line = f"- {escape(f'{worst.set}/{worst.id}/{worst.config}')}: {escape(worst.reason)}"
        if found is not None:
            question, answer = _short(found.question), _short(found.text or found.error or "")
            line += f"; asked: {escape(question)}; {found.status}: {escape(answer)}"
        lines.append(line)
    return "\n".join(["## Worst errors", "", *lines]) if lines else ""


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."

"""``collegium eval table``: the figures of a run in a form to paste into a paper."""

from __future__ import annotations

import csv
import io
import re
from typing import Literal

from agent.evaluation.report import markdown, tables
from agent.evaluation.report.tables import Cell, Table
from agent.evaluation.run_files import Summary

Format = Literal["latex", "markdown", "csv"]

_NEXT = r" \\ "
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "↓": r"$\downarrow$",
    "–": "--",
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
}


def render(summary: Summary, format_: Format) -> str:
    """latex, markdown: configurations by sets, then by metrics of each set; csv: one row a figure, unrounded."""
    if format_ == "csv":
        return _csv(summary)
    shown = [tables.headline(summary)]
    shown += [tables.scores(name, found) for name, found in summary.sets.items()]
    own = _latex if format_ == "latex" else markdown.table
    return "\n".join(own(one) for one in shown if one.rows)


def _latex(one: Table) -> str:
    """A table for booktabs; the interval stands small below its value."""
    columns = "l" * one.labels + "c" * (len(one.header) - one.labels)
    lines = [
        rf"% {' '.join(one.title.split())}",
        r"% needs \usepackage{booktabs,makecell}; for Chinese, XeLaTeX or LuaLaTeX with a font that has it",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join(_escape(name) for name in one.header) + r" \\",
        r"\midrule",
        *(" & ".join(_cell(cell) for cell in row) + r" \\" for row in one.rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def _cell(cell: Cell) -> str:
    text = rf"\textbf{{{_escape(cell.text)}}}" if cell.best else _escape(cell.text)
    lines = [text, *(rf"{{\scriptsize {_escape(note)}}}" for note in cell.notes)]
    return text if len(lines) == 1 else rf"\makecell{{{_NEXT.join(lines)}}}"


def _escape(text: str) -> str:
    one_line = " ".join(re.sub(r"[\x00-\x08\x0e-\x1f\x7f]", "", text).split())
    return "".join(_LATEX.get(character, character) for character in one_line)


def _csv(summary: Summary) -> str:
    rows = list(tables.long_form(summary))
    stream = io.StringIO()
    if rows:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: _field(value) for key, value in row.items()} for row in rows)
    return stream.getvalue()


def _field(value: object) -> object:
    """A name that a spreadsheet would take for a formula is made text."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@")) else value

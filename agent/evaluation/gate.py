"""Whether a run may replace another: no metric has, plausibly, dropped by more than is allowed.

The rule (non-inferiority): the worse end of the 95 % interval of the paired difference, run minus baseline over the
same items, must not lie beyond the allowed drop. Of a metric where less is better, a rise is a drop.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

from agent.evaluation.compare import ScoreChange, figures_of, groups, score_changes
from agent.evaluation.run_files import Run
from skills.errors import UserError
from skills.files import atomic_file

Outcome = Literal["passed", "failed", "error"]

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that an XML 1.0 document cannot hold."""


@dataclass(frozen=True, slots=True)
class Case:
    """One metric of one configuration on one set."""

    set: str
    config: str
    metric: str
    outcome: Outcome
    """error: it could not be judged, which does not pass either."""
    message: str
    """One line: the figures, and why."""


def gate(baseline: Run, run: Run, allowed: Mapping[str, float]) -> list[Case]:
    """One case for each set and configuration of the baseline that has an allowed metric.

    allowed: the largest drop that is tolerated, by metric, 0 or more. Items that the run lacks or failed make
    their cases errors: a run does not pass by leaving out what is hard. Raises UserError for a metric that no
    item of the baseline has.
    """
    known = _known(baseline)
    names = dict.fromkeys(metric for _, _, metric in known)
    for metric in allowed:
        if metric not in names:
            raise UserError(
                f"no item of {str(baseline.folder)!r} has the metric {metric!r}; known: {', '.join(names) or 'none'}",
                subject=metric,
            )
    missing = _missing(baseline, run)
    pairs = [(row, run.results[key]) for key, row in baseline.results.items() if key in run.results]
    changes = {(one.set, one.config, one.metric): one for one in score_changes(pairs, allowed)}
    return [
        _case(key, allowed[key[2]], missing.get(key[:2], []), changes.get(key))
        for key in known
        if key[2] in allowed
    ]


def _known(run: Run) -> list[tuple[str, str, str]]:
    """(set, configuration, metric) of the figures that some item has a part in."""
    return [
        (*key, figure.name)
        for key, rows in groups(run.results.values()).items()
        for figure in figures_of(rows)
        if any(figure.parts(row) is not None for row in rows)
    ]


def _missing(baseline: Run, run: Run) -> dict[tuple[str, str], list[str]]:
    """Items of the baseline that the run lacks or failed, by set and configuration."""
    found: dict[tuple[str, str], list[str]] = {}
    for key, row in baseline.results.items():
        other = run.results.get(key)
        if other is None or (other.status == "failed" and row.status != "failed"):
            found.setdefault((row.set, row.config), []).append(row.id)
    return found


def _case(key: tuple[str, str, str], allowed: float, missing: list[str], change: ScoreChange | None) -> Case:
    if missing:
        what = f"{len(missing)} items of the baseline are missing or failed, the first is {missing[0]!r}"
        return Case(*key, "error", what)
    if change is None:
        return Case(*key, "error", "no item has this metric in both runs")
    found = change.paired
    worst = -found.high if change.lower_is_better else found.low
    figures = (
        f"{change.first:.4f} -> {change.second:.4f}, difference {found.difference:+.4f} "
        f"({found.low:+.4f} to {found.high:+.4f}), n {found.n}, allowed drop {allowed:g}"
    )
    # An interval that is not known (NaN) does not pass.
    return Case(*key, "passed" if worst >= -allowed else "failed", figures)


def write_junit(path: Path, cases: list[Case]) -> None:
    """The cases as JUnit XML, which CI systems show."""
    counts = {kind: sum(case.outcome == kind for case in cases) for kind in ("failed", "error")}
    suite = ElementTree.Element(
        "testsuite",
        name="collegium eval gate",
        tests=str(len(cases)),
        failures=str(counts["failed"]),
        errors=str(counts["error"]),
    )
    for case in cases:
        element = ElementTree.SubElement(
            suite, "testcase", classname=_xml(f"{case.set}.{case.config}"), name=_xml(case.metric)
        )
        if case.outcome == "passed":
            ElementTree.SubElement(element, "system-out").text = _xml(case.message)
        else:
            tag = "failure" if case.outcome == "failed" else "error"
            ElementTree.SubElement(element, tag, message=_xml(case.message))
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    with atomic_file(path) as partial:
        ElementTree.ElementTree(suites).write(partial, encoding="utf-8", xml_declaration=True)


def _xml(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)

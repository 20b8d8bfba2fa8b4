"""Calculators: rows {question or text, tool, arguments?, missing?, domain?}; tool null: none is needed.

Arguments are right if they are the row's, or if they give the same result. ``missing``: the value that has to be asked
for; then a question back is right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agent.evaluation.figures import Figure, ResultRow, mean
from agent.evaluation.planning import same_value
from agent.evaluation.system import System
from agent.evaluation.tasks.task import Item, Outcome, Row, Task, outcome_of, text_of
from skills.errors import CollegiumError, UserError
from skills.records import ToolMatch


class Tools(Task):
    name = "tools"
    primary = ("right_tool", "right_arguments", "no_call")
    configured = False

    def check(self, row: Row) -> None:
        text_of(row, "question" if "question" in row else "text")
        if "tool" not in row:
            raise UserError("expected 'tool': the calculator that is needed, or null", subject=row)

    def question(self, row: Row) -> str:
        return str(row.get("question") or row["text"])

    def expected(self, row: Row) -> Any:
        return row["tool"]

    def run(self, item: Item, system: System, configuration: str) -> Outcome:
        return outcome_of(system.ask(self.question(item.row), item, configuration))

    def scores(self, item: Item, outcome: Outcome, system: System) -> dict[str, float]:
        row, done = item.row, outcome.status != "failed"
        calls: Sequence[Mapping[str, Any]] = outcome.record.get("tools") or ()
        if row["tool"] is None:
            return {"no_call": float(done and not calls)}
        if row.get("missing"):
            asked = float(outcome.status == "clarify" and outcome.reason == "missing_argument")
            return {"right_tool": asked, "right_arguments": asked}
        called = [call for call in calls if call["name"] == row["tool"]]
        right = any(self._same(call, item, outcome, system) for call in called)
        return {"right_tool": float(bool(called)), "right_arguments": float(right)}

    def _same(self, call: Mapping[str, Any], item: Item, outcome: Outcome, system: System) -> bool:
        wanted: Mapping[str, Any] = item.row.get("arguments") or {}
        have: Mapping[str, Any] = call["arguments"]
        if wanted.keys() == have.keys() and all(same_value(wanted[name], have[name]) for name in wanted):
            return True
        try:
            caller = system.caller(outcome.domains[0])
            return call["result"] == caller.call(ToolMatch(call["name"], wanted)).text
        except CollegiumError:
            return False

    def figures(self, rows: Sequence[ResultRow]) -> list[Figure]:
        return [mean(name) for name in self.primary]

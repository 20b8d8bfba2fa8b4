"""The kinds of items that can be evaluated, by name. A new kind is a sibling module and a line here."""

from __future__ import annotations

from agent.evaluation.tasks.choice import Choice
from agent.evaluation.tasks.dialogue import Dialogue
from agent.evaluation.tasks.labels import Classify, Entities
from agent.evaluation.tasks.open_answers import Grounded, QuestionAnswering, Summary
from agent.evaluation.tasks.retrieval import Retrieval
from agent.evaluation.tasks.routing import Routing
from agent.evaluation.tasks.safety import Safety
from agent.evaluation.tasks.task import FAILED, Item, Outcome, Task
from agent.evaluation.tasks.tools import Tools

TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        QuestionAnswering(),
        Grounded(),
        Choice(),
        Classify(),
        Entities(),
        Retrieval(),
        Routing(),
        Tools(),
        Dialogue(),
        Summary(),
        Safety(),
    )
}

__all__ = ["FAILED", "TASKS", "Item", "Outcome", "Task"]

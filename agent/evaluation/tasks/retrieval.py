"""Finding the right passages: rows {question, gold: [passage id]} against a store, ranked as `collegium retrieve` does.

hit@k: a right passage among the first k. recall@k: share of the right ones there. MRR and nDCG over the first 10
(pytrec-eval). A passage with the text of a right one counts as right too: collections hold texts twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agent.evaluation.figures import Figure, ResultRow, mean
from agent.evaluation.system import System
from agent.evaluation.tasks.task import Item, Outcome, Row, Task, text_of
from agent.evaluation.texts import library
from skills.errors import UserError

DEPTH = 10
CUTS = (1, 5, 10)


class Retrieval(Task):
    name = "retrieval"
    primary = ("hit@5", "ndcg@10")
    configured = False

    def check(self, row: Row) -> None:
        text_of(row, "question")
        if not isinstance(row.get("gold"), list) or not row["gold"]:
            raise UserError(f"'gold' should be a list of passage ids, got {row.get('gold')!r}", subject=row)

    def question(self, row: Row) -> str:
        return str(row["question"])

    def expected(self, row: Row) -> Any:
        return list(row["gold"])

    def run(self, item: Item, system: System, configuration: str) -> Outcome:
        found = system.search(item, self.question(item.row), DEPTH)
        ids = [one.passage.id for one in found]
        record = {"passages": [{"id": one.passage.id, "score": round(one.score, 6)} for one in found]}
        return Outcome("answered", ids, record=record)

    def scores(self, item: Item, outcome: Outcome, system: System) -> dict[str, float]:
        wanted = list(dict.fromkeys(map(str, item.row["gold"])))
        found: list[str] = outcome.answer if outcome.status == "answered" else []
        texts = {_folded(text) for one in wanted if (text := system.passage_text(item, (), one))}
        hits = [one in wanted or _folded(system.passage_text(item, (), one)) in texts for one in found]
        scores = {f"hit@{cut}": float(any(hits[:cut])) for cut in CUTS}
        scores |= {f"recall@{cut}": min(1.0, sum(hits[:cut]) / len(wanted)) for cut in CUTS}
        return scores | ranked(hits, len(wanted))

    def figures(self, rows: Sequence[ResultRow]) -> list[Figure]:
        names = [f"{what}@{cut}" for what in ("hit", "recall") for cut in CUTS]
        return [mean(name) for name in (*names, "mrr@10", "ndcg@10")]


def ranked(hits: Sequence[bool], right: int) -> dict[str, float]:
    """MRR and nDCG of a ranking of which it is known which ones are right; ``right``: how many there are."""
    run = {"q": {f"r{rank}": float(len(hits) - rank) for rank in range(len(hits))}}
    judged = {f"r{rank}": int(hit) for rank, hit in enumerate(hits)}
    # Right ones that were not found count in the ideal ranking.
    judged |= {f"m{number}": 1 for number in range(max(0, right - sum(hits)))}
    evaluator = library("pytrec_eval").RelevanceEvaluator({"q": judged}, {"recip_rank", "ndcg_cut.10"})
    found = evaluator.evaluate(run)["q"] if hits else {"recip_rank": 0.0, "ndcg_cut_10": 0.0}
    return {"mrr@10": float(found["recip_rank"]), "ndcg@10": float(found["ndcg_cut_10"])}


def _folded(text: str) -> str:
    return " ".join(text.split()).lower()

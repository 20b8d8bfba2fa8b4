"""The rows that heads and readers of questions learn from: the project's own, and the public sets' that may be
redistributed (CARD.md names them with their licences), train splits only; and the dev rows that they are judged by.

No question that occurs in a dev or test split of the routing sets is among the first. Knows no encoder.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from agent.router import OUT_OF_SCOPE, SHIPPED, route_examples
from agent.router_head.reading import Row
from skills.files import read_json, read_jsonl
from skills.learning.route import GENERAL, language_of
from skills.pack import discover

_BARRED = re.compile(r"SA\b|Sharing|NC|non-commercial|per task", re.IGNORECASE)
"""Licences that a shipped head is not trained on, and rows that do not say theirs."""

_NOT_GENERAL = re.compile(
    "insurance|insurance_change|income|taxes|w2|rollover_401k|direct_deposit|payday|exchange_rate|vaccines"
    "|nutrition_info|calories|international_visa"
)
"""Intents of CLINC150 outside banking that a domain may own."""

_ADDRESS = re.compile(r"\b(?:account|acc?t|bank|card|check|statement|billing|loan)", re.IGNORECASE)
"""What an address has to come with to be a bank's business."""

_EXAMS = ("legal/zh_lexeval_mcq", "legal/zh_disclaw_mcq")
"""Sets of one form and one domain: they count less, or the form would stand for the domain."""

_ANSWERED = 0.4
"""Weight of a question that a pack's notes answer: many, and of one form beside exam questions. Chosen on dev rows."""

_QUESTIONS: tuple[tuple[str, str, int], ...] = (
    ("medical/medquad_qa", "medical", 300),
    ("medical/medmcqa", "medical", 700),
    ("medical/medqa_usmle", "medical", 400),
    ("medical/pubmedqa_retrieval", "medical", 400),
    ("medical/zh_toyhom_qa", "medical", 600),
    ("medical/mmlu", "medical", 400),
    ("finance/mmlu", "finance", 400),
    ("finance/tatqa_retrieval", "finance", 500),
    ("finance/zh_disc_fin_sft", "finance", 100),
    ("legal/mmlu", "legal", 400),
    ("legal/cuad_retrieval", "legal", 150),
    ("legal/contractnli_retrieval", "legal", 80),
    ("legal/legalbench", "legal", 400),
    ("legal/zh_lawbench_consult", "legal", 400),
    ("legal/zh_lexeval_mcq", "legal", 400),
    ("legal/zh_disclaw_mcq", "legal", 400),
    ("legal/zh_disclaw_short_answer", "legal", 100),
    ("legal/zh_statute_retrieval", "legal", 100),
    ("general/mmlu", GENERAL, 400),
)
"""Sets of questions: (set, label, most rows)."""


def _folded(text: str) -> str:
    return re.sub(r"\W+", " ", text.lower()).strip()


def _some(rows: Iterable[Row], count: int, seed: str) -> list[Row]:
    chosen = list(rows)
    random.Random(seed).shuffle(chosen)
    return chosen[:count]


def own_rows() -> Iterator[Row]:
    """Everything that was written for this project."""
    packs, _ = discover()
    for pack in packs:
        for example in route_examples(pack):
            yield {"text": example.text, "label": pack.name}
        for row in (*pack.examples("evidence"), *pack.examples("evidence_zh")):
            # Of one that its notes do not answer, another domain may be the owner.
            if row["gold"]:
                yield {"text": row["question"], "label": pack.name, "weight": _ANSWERED}
    for row in read_jsonl(OUT_OF_SCOPE):
        yield {"text": row["text"], "label": GENERAL}
    for row in read_jsonl(SHIPPED / "written.jsonl"):
        yield {"text": row["text"], "label": row["label"]}
    for language, parts in read_json(SHIPPED / "terms.json").items():
        templates = parts.pop("templates")
        for label, terms in parts.items():
            chance = random.Random(f"{language} {label}")
            for term in terms:
                for template in chance.sample(templates, 2):
                    yield {"text": template.format(term), "label": label}


def public_rows(data: Path) -> Iterator[Row]:
    """Rows of the public sets' train splits."""

    def read(name: str) -> list[Row]:
        return list(read_jsonl(data / f"{name}.train.jsonl"))

    for row in read("routing/routing"):
        if not _BARRED.search(row["licence"]):
            weight = 0.5 if row["source"] == "LexEval" else 1.0
            yield {"text": row["text"], "label": row["label"], "weight": weight}
    for name, label, count in _QUESTIONS:
        rows = (row for row in read(name) if not _BARRED.search(row.get("licence", "")))
        for row in _some(rows, count, name):
            if "参考材料" not in row["question"]:  # a question, not pages of sources with a question
                yield {"text": row["question"], "label": label, "weight": 0.4 if name in _EXAMS else 1.0}
    for name, count in (("zh_lawbench_topic", 210), ("cuad_clause_type", 300), ("contractnli_nli", 150)):
        for row in _some(read(f"legal/{name}"), count, name):
            yield {"text": row["text"], "label": "legal"}
    for row in _some(read("customer_service/banking77"), 900, "banking77"):
        yield {"text": row["text"], "label": "finance"}
    yield from _intents(read("general/clinc150_oos"), "clinc150", ("banking", "credit_cards"), 500, 1500)
    multidogo = [
        row
        for row in read("customer_service/multidogo_intent")
        if row["domain"] != "insurance"
        and (row["label"] != "finance.updateaddress" or _ADDRESS.search(row["text"]))
    ]
    yield from _intents(multidogo, "multidogo", ("finance",), 500, 700)
    turns = [
        turn
        for row in read("general/zh_crosswoz_dialogues")
        for turn in row["turns"]
        if turn["role"] == "user"
    ]
    for turn in _some(turns, 300, "crosswoz"):
        yield {"text": turn["text"], "label": GENERAL}


def _intents(
    rows: list[Row], name: str, finance: tuple[str, ...], most: int, most_general: int
) -> Iterator[Row]:
    money = [row for row in rows if row["domain"] in finance]
    other = [row for row in rows if row["domain"] not in finance and not _NOT_GENERAL.fullmatch(row["label"])]
    for chosen, label, count in ((money, "finance", most), (other, GENERAL, most_general)):
        for row in _some(chosen, count, f"{name} {label}"):
            yield {"text": row["text"], "label": label}


def dev_rows(data: Path) -> list[Row]:
    """What the threshold is fitted on; never trained on. Only rows that may be redistributed."""
    rows = read_jsonl(data / "routing/routing.dev.jsonl")
    return [
        {"text": row["text"], "label": row["label"]} for row in rows if not _BARRED.search(row["licence"])
    ]


def training_rows(data: Path) -> list[Row]:
    """Own and public rows, each text once, without those that a routing dev or test split holds."""
    names = [f"{name}.{split}" for name in ("routing", "nc_routing") for split in ("dev", "test")]
    seen = {_folded(row["text"]) for name in names for row in read_jsonl(data / f"routing/{name}.jsonl")}
    found: list[Row] = []
    for row in (*own_rows(), *public_rows(data)):
        text = row["text"].strip()
        if (key := _folded(text)) and key not in seen:
            seen.add(key)
            weight = row.get("weight", 1.0)
            found.append({"text": text, "label": row["label"], "lang": language_of(text), "weight": weight})
    return found

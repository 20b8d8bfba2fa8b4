"""Hard negatives: passages that a retriever finds for a question and that are not its answer.

Rows {question, gold, answer?} and a store become rows {question, positives, negatives} for `train evidence`. Whole
passages are cut as they are at run time. Where the question names the passage's subject or a year, another row sets the
passage against itself under other names. Where the answer says which sentence or table row it stands in, another sets
that one against its neighbours: the encoder reads both. Passages that somebody found silent on a question (``silent``:
of its subject, but of another aspect, or without its condition) are set against those that answer it, or stand alone;
where these are many, no further negatives are searched. A question that nothing in the store answers (``gold``
empty), and of which nobody said more, has what is found for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from skills.errors import UserError
from skills.grounding.documents import named_document, of_another_document
from skills.grounding.evidence import pair_text, unit_text
from skills.grounding.select import Unit, sentence_scores, units
from skills.grounding.support import without_marks
from skills.learning.renaming import name_of, of_another_year, renamed
from skills.records import Passage
from skills.retrieval.store import PassageStore
from skills.retrieval.text import is_chinese, terms

POSITIVES = 4
"""Right passages kept of a question."""
STATED = 0.5
"""Share of a written answer's terms that a sentence must have to be the one that states it."""
RENAMED = 3
"""Other names that a right passage is set against itself under."""
_OF_DOCUMENT = 100
"""Passages searched where a question names its document: those of others are never read, so they are no negatives."""
_SPARE = 12
"""Passages searched beyond those needed: for other names, and since some are right."""
JUDGED = 3
"""Silent passages from which on nothing is searched: who judged so many has seen the near ones, and what is not among
them may answer as well."""
STRANGERS = 2
"""Sentences of other passages that a right one is set against, beside its neighbours."""


def mine(
    rows: Iterable[Mapping[str, Any]], store: PassageStore, *, negatives: int = 8
) -> Iterator[dict[str, Any]]:
    """One to four rows per question whose gold passages are in the store; others are passed over but for their
    silent ones.

    A passage whose text equals a gold one is no negative. Rows of other names are English alone.
    """
    for row in rows:
        question: str = row["question"]
        gold = [passage for passage in map(store.get, row["gold"]) if passage is not None]
        if silent := [passage for passage in map(store.get, row.get("silent") or ()) if passage is not None]:
            yield {
                "question": question,
                "positives": [pair_text(passage, question) for passage in gold[:POSITIVES]],
                "negatives": [pair_text(passage, question) for passage in silent],
            }
        if len(silent) >= JUDGED or (row["gold"] and not gold):
            continue
        right = {_fold(passage.text) for passage in gold} | {passage.id for passage in gold}
        named = bool(named_document(question))
        count = _OF_DOCUMENT if named else negatives + len(gold) + _SPARE
        found = [item.passage for item in store.search(question, count)]
        wrong = [p for p in found if p.id not in right and _fold(p.text) not in right]
        if named:
            wrong = [p for p in wrong if not of_another_document(question, p)]
        if not gold:
            if not silent:
                yield {
                    "question": question,
                    "positives": [],
                    "negatives": [pair_text(passage, question) for passage in wrong[:negatives]],
                }
            continue
        others = [p.title for p in wrong if name_of(p.title) != name_of(gold[0].title)]
        wrong = wrong[:negatives]
        yield {
            "question": question,
            "positives": [pair_text(passage, question) for passage in gold[:POSITIVES]],
            "negatives": [pair_text(passage, question) for passage in wrong],
        }
        if is_chinese(question):
            altered: list[Passage] = []
        else:
            altered = [*of_another_year(question, gold[0]), *renamed(question, gold[0], others)][:RENAMED]
        if altered:
            yield {
                "question": question,
                "positives": [pair_text(gold[0], question)],
                "negatives": [pair_text(passage, question) for passage in [*altered, *wrong[:1]]],
            }
        if made := _unit_row(question, str(row.get("answer") or ""), gold, wrong, negatives):
            yield made


def mine_passages(
    rows: Iterable[Mapping[str, Any]], store: PassageStore, *, negatives: int = 6
) -> Iterator[dict[str, Any]]:
    """One row per question for `train retriever`: whole texts, in any language, as a sentence encoder reads them."""
    for row in rows:
        right = list(
            dict.fromkeys(passage.text for passage in map(store.get, row["gold"]) if passage is not None)
        )
        if right:
            found = [item.passage.text for item in store.search(row["question"], negatives + len(right) + 2)]
            wrong = [text for text in found if text not in right][:negatives]
            yield {"question": row["question"], "positives": right, "negatives": wrong}


def mine_sentences(
    rows: Iterable[Mapping[str, Any]], store: PassageStore, *, negatives: int = 8
) -> Iterator[dict[str, Any]]:
    """One row per question and passage whose answering sentences are numbered, from 1 (``sentences``: one list for each
    gold passage): those against the passage's others, nearest to the question first.

    Raises UserError for a number that the passage does not have, and for another count of lists than of gold passages.
    """
    for row in rows:
        numbered: list[list[int]] = row.get("sentences") or [[] for _ in row["gold"]]
        if len(numbered) != len(row["gold"]):
            raise UserError(
                f"{row['question']!r}: expected one list of 'sentences' for each of {len(row['gold'])} gold passages, "
                f"found {len(numbered)}"
            )
        for name, numbers in zip(row["gold"], numbered, strict=True):
            passage = store.get(name)
            if passage is None:
                continue
            parts = units(passage.text)
            if not all(1 <= number <= len(parts) for number in numbers):
                raise UserError(f"{row['question']!r}: {name!r} has {len(parts)} sentences, not {numbers}")
            right = [parts[number - 1] for number in numbers]
            wrong = _ranked(row["question"], [part for part in parts if part not in right])[:negatives]
            if right and wrong:
                yield {
                    "question": row["question"],
                    "positives": [unit_text(passage, part) for part in right[:POSITIVES]],
                    "negatives": [unit_text(passage, part) for part in wrong],
                }


def _unit_row(
    question: str, answer: str, gold: list[Passage], wrong: list[Passage], negatives: int
) -> dict[str, Any] | None:
    """The sentence or row that states the answer against others of its passage, nearest to the question first."""
    for passage in gold:
        parts = units(passage.text)
        stating = _stating(question, answer, parts)
        if not stating:
            continue
        best = _ranked(question, [part for part in parts if part not in stating])
        neighbours = [unit_text(passage, part) for part in best]
        strangers = [
            unit_text(other, _ranked(question, units(other.text))[0]) for other in wrong if other.text.strip()
        ]
        against = neighbours[: negatives - STRANGERS] + strangers[:STRANGERS]
        if not against:
            return None
        return {
            "question": question,
            "positives": [unit_text(passage, part) for part in stating[:POSITIVES]],
            "negatives": against,
        }
    return None


def _stating(question: str, answer: str, parts: list[Unit]) -> list[Unit]:
    """The units that state an answer: those that hold it literally, else the one that has most of its terms.

    A figure that stands in several rows counts where the row is nearest to the question. A bare yes or no is
    stated nowhere.
    """
    body = without_marks(answer).strip().rstrip(".")
    if body.lower() in ("", "yes", "no", "maybe"):
        return []
    pieces = [_fold(piece) for piece in body.split(";") if piece.strip()]
    literal = [part for part in parts if any(piece in _fold(part.text) for piece in pieces)]
    if literal:
        scores = sentence_scores([part.text for part in literal], question)
        return [part for part, score in zip(literal, scores, strict=True) if score == max(scores)]
    wanted = set(terms(body))
    shares = [len(wanted & set(terms(part.text))) / max(1, len(wanted)) for part in parts]
    best = max(shares, default=0.0)
    return [parts[shares.index(best)]] if best >= STATED else []


def _ranked(question: str, parts: list[Unit]) -> list[Unit]:
    scores = sentence_scores([part.text for part in parts], question)
    order = sorted(range(len(parts)), key=lambda index: (-scores[index], index))
    return [parts[index] for index in order]


def _fold(text: str) -> str:
    return " ".join(text.split()).lower()

"""Which passages answer a question, with a calibrated probability, and which parts of them to read.

A cross-encoder reads question and passage together (trained by skills.learning.evidence), one for English and one for
Chinese; a logistic model over its score and a few plain signs turns that into a probability. Nothing here asks the
language model.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np

from skills.grounding.cross_encoder import CrossEncoder, encoder_of, load_cross_encoder
from skills.grounding.decision import UNFITTED, Decision, Kind, Risk, read_decision
from skills.grounding.documents import named_document, of_another_document
from skills.grounding.excluded import of_the_opposite, of_what_is_excluded
from skills.grounding.places import elsewhere, of_a_province, without_covered_places
from skills.grounding.select import Unit, prompt_text, select_spans
from skills.grounding.sought import lacks_what_is_sought
from skills.grounding.table_evidence import raise_tables
from skills.grounding.years import of_another_year
from skills.records import Evidence, Passage, ScoredPassage
from skills.retrieval.columns import document_of
from skills.retrieval.embedder import choose_embedder, load_embedder
from skills.retrieval.encoder_files import MULTILINGUAL
from skills.retrieval.text import is_chinese, terms

CANDIDATES = 8
"""Retrieved passages that the encoder reads."""
FIRST = 3
"""Of these it reads so many first, where passages are only put in order."""
SURE = 2.0
"""Encoder score from which it reads no more then: on development questions of five sets half of the reading is saved,
and as many right passages are among the first five."""
OTHERS = 10
"""Similarities of other documents that a passage's own is compared with."""
NO_RIVAL = -5.0
"""What stands for the best rival where no other document was read."""
SMALLEST = 200
"""A store counts as at least that large: what a user hands over was chosen by someone."""
READING = 0.25
"""Weight of an encoder score beside a retrieval score; chosen on development questions of five sets."""

_NAME = re.compile(r"(?<=[^\s.?!] )[A-Z][\w-]+|\b[A-Z]{2,}[\w-]*|\d[\d.,]*\d|\d")


@dataclass(frozen=True, slots=True)
class Signs:
    """What speaks for a passage as an answer to a question."""

    logit: float
    """Cross-encoder score."""
    lead: float
    """That score less the best one of another document among those read."""
    coverage: float
    """Share of the question's terms that title or text has, 0..1, terms rare among the candidates weigh more."""
    similarity: float
    """Cosine of question and passage."""
    margin: float
    """That cosine less the mean of the OTHERS highest ones of other documents: scales differ, leads less so."""
    missing_names: float
    """Share of the question's names and numbers that neither title nor text has, 0..1."""
    size: float
    """log10 of how many times SMALLEST passages it was chosen from: among many, one is similar by chance."""
    known: float
    """How near the question is to one that the passage is known to answer, 0..0.5; 0: not, or none is known."""
    unanswered: float
    """The same to one that nothing in the store answers."""
    kind: Kind

    def features(self) -> tuple[float, ...]:
        """In the order of FEATURES."""
        return (
            1.0,
            self.logit,
            self.lead,
            self.coverage,
            self.similarity,
            self.margin,
            self.missing_names,
            self.size,
            self.known,
            self.unanswered,
        )


class EvidenceModel:
    """Judges candidates. Threads may share it."""

    looks_at = 30
    """Passages that a search should give it, so that enough are left when barred ones are passed over."""

    def __init__(
        self,
        encoder: CrossEncoder,
        chinese: Callable[[], CrossEncoder],
        decision: Decision,
        risk: Risk = "balanced",
    ) -> None:
        """``chinese`` gives the encoder of Chinese, loaded when the first question needs it."""
        self._encoder = encoder
        self._chinese = chinese
        self.decision = decision
        self._risk: Risk = risk

    def logits(self, question: str, texts: Sequence[str]) -> list[float]:
        """Cross-encoder score of each text for the question; above 0 means "answers it" before calibration."""
        read_in_chinese = is_chinese(question) or any(map(is_chinese, texts))
        return (self._chinese() if read_in_chinese else self._encoder).scores(question, texts)

    def read(self, question: str, candidates: Sequence[ScoredPassage]) -> dict[str, float]:
        """Cross-encoder score by passage id."""
        asked: dict[tuple[str, bool], list[Passage]] = {}
        for passage in (item.passage for item in candidates):
            text = without_covered_places(question, passage)
            asked.setdefault((text, is_chinese(passage.text)), []).append(passage)
        found: dict[str, float] = {}
        for (text, _), own in asked.items():
            scores = self.logits(text, [pair_text(passage, text) for passage in own])
            found |= {passage.id: score for passage, score in zip(own, scores, strict=True)}
        return found

    def rank(self, question: str, found: Sequence[ScoredPassage]) -> list[ScoredPassage]:
        """Retrieved passages, best first, once the encoder has read the first of those that are not barred: FIRST, or
        CANDIDATES where it is not sure of one of those.

        The others stay behind those, as they were. A question in Chinese is not read: on development questions of five
        sets the order gains nothing by it.
        """
        found = raise_tables(question, found)
        if is_chinese(question):
            return found
        open_ = divided(question, found)[0]
        logits = self.read(question, open_[:FIRST])
        if max(logits.values(), default=0.0) < SURE:
            logits |= self.read(question, open_[FIRST:])
        read = [
            replace(item, score=item.score + READING * logits[item.passage.id])
            for item in found
            if item.passage.id in logits
        ]
        read.sort(key=lambda item: -item.score)
        unread = [item for item in found if item.passage.id not in logits]
        last = read[-1].score if read else 0.0
        drop = max(0.0, unread[0].score - last) if read and unread else 0.0
        return [*read, *(replace(item, score=item.score - drop) for item in unread)]

    def signs(
        self,
        question: str,
        judged: Sequence[ScoredPassage],
        others: Sequence[ScoredPassage] = (),
        logits: Mapping[str, float] | None = None,
    ) -> list[Signs]:
        """The signs of the judged candidates, in order; ``others``: what their similarities are compared with as well.

        ``logits``: what ``read`` gave for the judged ones, if it has been asked.
        """
        candidates = [*judged, *others]
        wanted = set(terms(question))
        found = [set(terms(f"{item.passage.title} {item.passage.text}")) for item in judged]
        frequency = Counter(term for words in found for term in words & wanted)
        weight = {term: math.log(1 + (1 + len(found)) / (1 + frequency[term])) for term in sorted(wanted)}
        if logits is None:
            logits = self.read(question, judged)
        similarities = np.array(_similarities(question, candidates))
        documents = [document_of(item.passage.id) for item in candidates]
        result: list[Signs] = []
        for index, item in enumerate(judged):
            strange = np.array([name != documents[index] for name in documents], dtype=bool)
            highest = np.sort(similarities[strange])[::-1][:OTHERS]
            rivals = [
                logits[other.passage.id]
                for other, name in zip(judged, documents, strict=False)
                if name != documents[index]
            ]
            asked = without_covered_places(question, item.passage)
            need = wanted & set(terms(asked))
            logit = logits[item.passage.id]
            result.append(
                Signs(
                    logit=logit,
                    lead=logit - max(rivals, default=NO_RIVAL),
                    coverage=sum(weight[term] for term in sorted(need & found[index]))
                    / (sum(weight[term] for term in sorted(need)) or 1.0),
                    similarity=float(similarities[index]),
                    margin=float(similarities[index] - highest.mean()) if len(highest) else 0.0,
                    missing_names=_missing_names(asked, item.passage),
                    size=math.log10(max(item.out_of, SMALLEST) / SMALLEST),
                    known=item.known,
                    unanswered=item.unanswered,
                    kind=_kind(question, item),
                )
            )
        return result

    def deciding(self, decision: Decision, risk: Risk) -> EvidenceModel:
        """The same encoder with another decision."""
        return EvidenceModel(self._encoder, self._chinese, decision, risk)

    def probability(self, signs: Signs) -> float:
        """Probability that the passage answers the question."""
        return self.decision.fitted(signs.kind).probability(signs.features())

    def select(self, question: str, candidates: Sequence[ScoredPassage]) -> list[Evidence]:
        """The first CANDIDATES candidates that are not ``barred``, with their spans, probability and whether that is
        enough, most probable first; where all are barred, those, with 0.
        """
        readable = [item for item in raise_tables(question, candidates) if item.passage.text.strip()]
        open_, rest = divided(question, readable)
        found: list[Evidence] = []
        for signs, item in zip(self.signs(question, open_, rest), open_, strict=True):
            score = self.probability(signs)
            enough = score >= self.decision.fitted(signs.kind).thresholds[self._risk]
            spans = select_spans(item.passage.text, question, told=item.told)
            found.append(Evidence(item.passage, spans, score, enough, item.told))
        if not open_:
            found = [
                Evidence(item.passage, select_spans(item.passage.text, question), 0.0, False)
                for item in rest[:CANDIDATES]
            ]
        return sorted(found, key=lambda item: -item.score)


def divided(
    question: str, candidates: Sequence[ScoredPassage]
) -> tuple[list[ScoredPassage], list[ScoredPassage]]:
    """The first CANDIDATES that are not barred, and all others behind them, each in order.

    What is behind is compared with only, and not asked whether it is barred, where it comes later.
    """
    open_: list[ScoredPassage] = []
    rest: list[ScoredPassage] = []
    for item in candidates:
        taken = len(open_) < CANDIDATES and not barred(question, item.passage)
        (open_ if taken else rest).append(item)
    return open_, rest


def barred(question: str, passage: Passage) -> bool:
    """Whether a passage answers nothing whatever it says: it is about another place than the question, of another
    document, of another year, about what the question rules out, or lacks the figure asked for."""
    return (
        elsewhere(question, passage)
        or of_a_province(question, passage)
        or of_another_document(question, passage)
        or of_another_year(question, passage)
        or of_what_is_excluded(question, passage)
        or of_the_opposite(question, passage)
        or lacks_what_is_sought(question, passage)
    )


def pair_text(passage: Passage, question: str) -> str:
    """What the encoder reads of a passage: its title, then what the prompt would show."""
    text = prompt_text(Evidence(passage, select_spans(passage.text, question), 1.0))
    return f"{passage.title}\n{text}" if passage.title else text


def _similarities(question: str, candidates: Sequence[ScoredPassage]) -> list[float]:
    """Cosine of question and each passage: the retriever's, or computed for passages that came without one."""
    lacking = [item.passage for item in candidates if item.similarity is None]
    if lacking:
        embedder = load_embedder(choose_embedder(lacking))
        vectors = embedder.vectors([passage.text for passage in lacking], "passage")  # (lacking, dimension)
        computed = iter((vectors @ embedder.query_vector(question)).tolist())
    else:
        computed = iter(())
    return [next(computed) if item.similarity is None else item.similarity for item in candidates]


def unit_text(passage: Passage, unit: Unit) -> str:
    """What the encoder reads of a single sentence or row: the passage's title, then the unit."""
    return f"{passage.title}\n{unit.text}" if passage.title else unit.text


def _kind(question: str, item: ScoredPassage) -> Kind:
    """A store computes the similarity of what it finds; what comes with the question has none. A passage that is not of
    the document named is barred before it is judged."""
    if is_chinese(question) or is_chinese(item.passage.text):
        return "chinese"
    if item.similarity is None and not item.passage.title.strip():
        return "given"
    return "named" if named_document(question) and item.passage.title.strip() else "english"


def _missing_names(question: str, passage: Passage) -> float:
    names = {name.lower().strip(".,") for name in _NAME.findall(question)}
    if not names:
        return 0.0
    text = f"{passage.title} {passage.text}".lower()
    return sum(name not in text for name in names) / len(names)


def load_evidence(folder: Path | None = None, *, threads: int = 2) -> EvidenceModel:
    """Load the shipped evidence encoders, or with the one that a `train evidence` run left in ``folder`` in the place
    of that of its language.

    Raises ModelError when a file is missing or it was trained from another encoder than the cached one.
    """
    shipped = Path(str(resources.files("skills.grounding")))
    english, chinese = shipped / "encoder", shipped / "encoder_zh"
    if folder is not None and encoder_of(folder) == MULTILINGUAL:
        chinese = folder
    elif folder is not None:
        english = folder
    fitted = english / "decision.json"
    return EvidenceModel(
        load_cross_encoder(english, threads=threads),
        cache(lambda: load_cross_encoder(chinese, threads=threads)),
        read_decision(fitted) if fitted.is_file() else UNFITTED,
    )

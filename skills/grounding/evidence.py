"""Which passages answer a question, with a calibrated probability, and which of their sentences to read.

A cross-encoder reads question and passage together (trained by skills.learning.evidence); a logistic model
over its score and a few plain signs turns that into a probability. Nothing here asks the language model.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict
from safetensors.numpy import load_file

from skills.errors import ModelError
from skills.files import read_json, sha256_file
from skills.grounding.places import elsewhere
from skills.grounding.select import Unit, prompt_text, select_spans
from skills.records import Evidence, Passage, ScoredPassage
from skills.retrieval.embedder import choose_embedder, load_embedder
from skills.retrieval.encoder import Encoder, load_encoder
from skills.retrieval.text import is_chinese, terms
from skills.weights import ensure

CANDIDATES = 8
"""Retrieved passages that the encoder reads."""
THRESHOLD = 0.5
"""Probability from which a passage counts as evidence."""
FEATURES = ("bias", "logit", "coverage", "similarity", "missing_names")

_NAME = re.compile(r"(?<=[a-z,;:'\"(] )[A-Z][\w-]+|\b[A-Z]{2,}[\w-]*|\d[\d.,]*\d|\d")


class Decision(BaseModel):
    """``decision.json``: weights of the logistic model over FEATURES, by language of question and passage."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    english: dict[str, float]
    chinese: dict[str, float]
    """Where question or passage is Chinese the encoder is not asked: its weight is 0."""


UNFITTED = Decision(
    english={"bias": 0.0, "logit": 1.0, "coverage": 0.0, "similarity": 0.0, "missing_names": 0.0},
    chinese={"bias": -12.0, "logit": 0.0, "coverage": 6.0, "similarity": 12.0, "missing_names": -2.0},
)
"""What holds until `train decision` has run: the encoder's own sigmoid; for Chinese, words and vectors."""


@dataclass(frozen=True, slots=True)
class Signs:
    """What speaks for a passage as an answer to a question."""

    logit: float
    """Cross-encoder score; 0 where it was not asked."""
    coverage: float
    """Share of the question's terms that title or text has, 0..1, terms rare among the candidates weigh more."""
    similarity: float
    """Cosine of question and passage."""
    missing_names: float
    """Share of the question's names and numbers that neither title nor text has, 0..1."""
    chinese: bool

    def features(self) -> tuple[float, ...]:
        """In the order of FEATURES."""
        return (1.0, self.logit, self.coverage, self.similarity, self.missing_names)


class EvidenceModel:
    """Judges candidates. Threads may share it."""

    def __init__(
        self, encoder: Encoder, head: dict[str, np.ndarray], decision: Decision, max_tokens: int
    ) -> None:
        self._encoder = encoder
        self._weight = head["weight"].reshape(-1)  # (2 * dimension,): [CLS], then mean state
        self._bias = float(head["bias"].reshape(-1)[0])
        self._decision = decision
        self._max_tokens = max_tokens

    def logits(self, question: str, texts: Sequence[str]) -> list[float]:
        """Cross-encoder score of each text for the question; above 0 means "answers it" before calibration."""
        states = self._encoder.hidden([(question, text) for text in texts], max_tokens=self._max_tokens)
        return [
            float(np.concatenate([state[0], state.mean(0)]) @ self._weight) + self._bias for state in states
        ]

    def read(self, question: str, candidates: Sequence[ScoredPassage]) -> dict[str, float]:
        """Cross-encoder score by passage id; Chinese passages, and any for a Chinese question, are not read."""
        if is_chinese(question):
            return {}
        passages = [item.passage for item in candidates if not is_chinese(item.passage.text)]
        scores = self.logits(question, [pair_text(passage, question) for passage in passages])
        return {passage.id: score for passage, score in zip(passages, scores, strict=True)}

    def signs(
        self, question: str, candidates: Sequence[ScoredPassage], logits: Mapping[str, float] | None = None
    ) -> list[Signs]:
        """The signs of each candidate, in order. ``logits``: what ``read`` gave for them, if it has been asked."""
        wanted = set(terms(question))
        found = [set(terms(f"{item.passage.title} {item.passage.text}")) for item in candidates]
        frequency = Counter(term for words in found for term in words & wanted)
        weight = {term: math.log(1 + (1 + len(found)) / (1 + frequency[term])) for term in sorted(wanted)}
        total = sum(weight.values()) or 1.0
        if logits is None:
            logits = self.read(question, candidates)
        similarities = _similarities(question, candidates)
        return [
            Signs(
                logit=logits.get(item.passage.id, 0.0),
                coverage=sum(weight[term] for term in sorted(wanted & found[index])) / total,
                similarity=similarities[index],
                missing_names=_missing_names(question, item.passage),
                chinese=item.passage.id not in logits,
            )
            for index, item in enumerate(candidates)
        ]

    @property
    def decision(self) -> dict[str, dict[str, float]]:
        """The logistic model, as ``decision.json`` holds it."""
        return self._decision.model_dump()

    def weights(self, chinese: bool) -> dict[str, float]:
        """Weights of the logistic model for a language."""
        return dict(self._decision.chinese if chinese else self._decision.english)

    def with_weights(self, english: dict[str, float], chinese: dict[str, float]) -> EvidenceModel:
        """The same encoder with another decision."""
        head = {"weight": self._weight, "bias": np.array([self._bias])}
        return EvidenceModel(
            self._encoder, head, Decision(english=english, chinese=chinese), self._max_tokens
        )

    def probability(self, signs: Signs) -> float:
        """Probability that the passage answers the question."""
        weights = self._decision.chinese if signs.chinese else self._decision.english
        score = sum(weights[name] * value for name, value in zip(FEATURES, signs.features(), strict=True))
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, score))))

    def select(self, question: str, candidates: Sequence[ScoredPassage]) -> list[Evidence]:
        """The first CANDIDATES candidates with their spans and probability, most probable first.

        One about another place than the question's answers nothing: 0.
        """
        judged = [item for item in candidates if item.passage.text.strip()][:CANDIDATES]
        scored = [
            (0.0 if elsewhere(question, item.passage) else self.probability(signs), item.passage)
            for signs, item in zip(self.signs(question, judged), judged, strict=True)
        ]
        scored.sort(key=lambda pair: -pair[0])
        return [Evidence(passage, select_spans(passage.text, question), score) for score, passage in scored]


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


def _missing_names(question: str, passage: Passage) -> float:
    names = {name.lower().strip(".,") for name in _NAME.findall(question)}
    if not names:
        return 0.0
    text = f"{passage.title} {passage.text}".lower()
    return sum(name not in text for name in names) / len(names)


def load_evidence(folder: Path | None = None, *, threads: int = 2) -> EvidenceModel:
    """Load the shipped evidence encoder, or the one a `train evidence` run left in ``folder``.

    Raises ModelError when a file is missing or it was trained from another encoder than the cached one.
    """
    folder = folder or Path(str(resources.files("skills.grounding").joinpath("encoder")))
    described = read_json(folder / "collegium.json")
    base = ensure(described["encoder"])
    if sha256_file(base / "model.safetensors") != described["encoder_sha256"]:
        raise ModelError(
            f"evidence encoder {str(folder)!r} was trained from another {described['encoder']!r} "
            f"than the one in {str(base)!r}"
        )
    try:
        head = load_file(folder / "head.safetensors")
        fitted = folder / "decision.json"
        decision = Decision.model_validate(read_json(fitted)) if fitted.is_file() else UNFITTED
    except (OSError, ValueError) as error:
        raise ModelError(f"evidence encoder {str(folder)!r}: {error}", subject=folder) from error
    encoder = load_encoder(base, folder, "int8", threads=threads)
    return EvidenceModel(encoder, head, decision, described["max_tokens"])

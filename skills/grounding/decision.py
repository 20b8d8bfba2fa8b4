"""When a passage counts as evidence: a logistic model over a few signs, and how much risk the user takes.

``decision.json`` of a pack is fitted by `collegium calibrate` (skills.learning.calibration) on questions that its store
answers and on the same with the answering documents taken out. Knows signs and numbers, nothing of texts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from skills.errors import DataError
from skills.files import read_json

Risk = Literal["cautious", "balanced", "bold"]
Kind = Literal["english", "chinese", "given", "named"]
"""What is judged: English passages, Chinese ones, English ones without a title that came with the question, and English
ones of the document that the question names."""
RISKS: tuple[Risk, ...] = get_args(Risk)
KINDS: tuple[Kind, ...] = get_args(Kind)
FEATURES = (
    *("bias", "logit", "lead", "coverage", "similarity", "margin", "missing_names", "size"),
    *("known", "unanswered"),
)
"""The signs, see skills.grounding.evidence.Signs; the bias is 1."""
_LATER = {"known": 0.0, "unanswered": 0.0}
"""Signs that a model may lack, since it was fitted before there were such."""


class Fitted(BaseModel):
    """A logistic model: weights by feature, and from which probability a passage is accepted."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    weights: dict[str, float]
    thresholds: dict[Risk, float]

    @field_validator("weights")
    @classmethod
    def _complete(cls, weights: dict[str, float]) -> dict[str, float]:
        weights = _LATER | weights
        if set(weights) != set(FEATURES):
            raise ValueError(f"expected a weight for each of {', '.join(FEATURES)}, got {', '.join(weights)}")
        return weights

    def probability(self, features: Sequence[float]) -> float:
        """Probability that a passage with these signs answers its question; in the order of FEATURES."""
        score = sum(self.weights[name] * value for name, value in zip(FEATURES, features, strict=True))
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, score))))


class Decision(BaseModel):
    """``decision.json``: a model for each kind. Another encoder reads Chinese; given passages are few, picked by
    somebody, and without a title they cannot have the name of the document that a question asks about. Where it names
    one, no other can answer: what is left is whether that one does."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    english: Fitted
    chinese: Fitted
    given: Fitted
    named: Fitted

    @model_validator(mode="before")
    @classmethod
    def _without_named(cls, fields: Any) -> Any:
        """What was fitted before there was this kind judged it like any other English passage."""
        if isinstance(fields, dict) and "english" in fields:
            return {"named": fields["english"], **fields}
        return fields

    def fitted(self, kind: Kind) -> Fitted:
        return {"english": self.english, "chinese": self.chinese, "given": self.given, "named": self.named}[
            kind
        ]


_HALF: dict[Risk, float] = {"cautious": 0.7, "balanced": 0.5, "bold": 0.3}
_NONE = dict.fromkeys(FEATURES, 0.0)
UNFITTED = Decision(
    english=Fitted(weights=_NONE | {"logit": 1.0}, thresholds=_HALF),
    chinese=Fitted(weights=_NONE | {"logit": 1.0}, thresholds=_HALF),
    given=Fitted(weights=_NONE | {"logit": 1.0}, thresholds=_HALF),
    named=Fitted(weights=_NONE | {"logit": 1.0}, thresholds=_HALF),
)
"""What holds until `collegium calibrate` has run: the encoder's own sigmoid."""


def read_decision(path: Path) -> Decision:
    """A ``decision.json``. Raises DataError naming the field that is wrong."""
    try:
        return Decision.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise DataError(
            f"{str(path)!r}: {where}: {first['msg']}; fit it anew: collegium calibrate", subject=path
        ) from error

"""``train route``: a calibrated router from labelled questions, English and Chinese.

1. read rows ``{text, label, lang?, weight?}``; the label ``general`` stands for everything out of scope;
2. embed each text with its language's embedder: one head per language, each sees its own n-grams and vectors;
3. fit the heads (``skills.learning.linear``), one temperature per head by cross-validation;
4. fit the threshold above which a further domain is asked too, and the probability from which a label is certain;
5. write ``best/`` (head.safetensors, head.json), ``metrics.json``, ``config.json`` and ``CARD.md``.

Knows labels and languages; nothing of packs, skills or conversations.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from skills.errors import DataError, UserError
from skills.files import read_json, read_jsonl, write_json
from skills.learning.linear import (
    CLIP,
    Array,
    Indices,
    LinearHead,
    expected_calibration_error,
    fit_head,
    fit_temperature,
)
from skills.learning.run import Run, TrainingConfig
from skills.retrieval.text import is_chinese

GENERAL = "general"
"""The label of what no domain owns."""
FORMAT = 2
FOLDS = 3
"""Parts of the cross-validation, and the fewest rows of a label in one language."""
EMBEDDERS: Mapping[str, str] = {"en": "all-minilm-l6-v2", "zh": "multilingual-e5-small"}
"""Embedder by language. The multilingual one takes several times as long; it is used for Chinese only."""
EMBEDDED_CHARACTERS: Mapping[str, int] = {"en": 1000, "zh": 300}
"""Characters of a question that the embedder sees: bounds the time of a long one."""

COVERAGE = 0.97
"""Share of the questions whose label is among the certain ones. At 0.9 it is requests out of scope that are
unclear, one in ten; at 0.97 half of the few are a domain's (development questions)."""

Embed = Callable[[str, Sequence[str]], Array]
"""(embedder id, texts) -> (n, dimension), rows of length 1."""


def language_of(text: str) -> str:
    """Which head a text belongs to: "zh" or "en" (everything else)."""
    return "zh" if is_chinese(text[:CLIP]) else "en"


def embed_with_store(embedder: str, texts: Sequence[str]) -> Array:
    """The default Embed: the local embedders of ``skills.retrieval.embedder``, as queries."""
    from skills.retrieval.embedder import load_embedder

    model = load_embedder(embedder)
    return np.asarray([model.embed_query(text) for text in texts], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class RouteModel:
    """Heads by language, and what a decision needs."""

    labels: tuple[str, ...]
    """Domains and "general", in the order of the probabilities."""
    heads: Mapping[str, LinearHead]
    embedders: Mapping[str, str]
    threshold: float
    """Probability from which a further domain is asked beside the likeliest one."""
    certainty: float
    """Probability from which a label belongs to the conformal set of a question, see fit_certainty."""
    about: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What it was made from: free JSON."""

    def vectors(self, texts: Sequence[str], language: str, embed: Embed) -> Array:
        """(n, dimension) of texts of one language, cut to what the embedder should see."""
        return embed(self.embedders[language], [text[: EMBEDDED_CHARACTERS[language]] for text in texts])

    def probabilities(self, texts: Sequence[str], embed: Embed) -> Array:
        """(n, labels) of texts in any language. A language without a head is "general" altogether."""
        result = np.zeros((len(texts), len(self.labels)), dtype=np.float32)
        languages = [language_of(text) for text in texts]
        for language in set(languages):
            places = [index for index, found in enumerate(languages) if found == language]
            if (head := self.heads.get(language)) is None:
                result[places, self.labels.index(GENERAL)] = 1.0
                continue
            chosen = [texts[index] for index in places]
            columns = [self.labels.index(label) for label in head.labels]
            found = head.probabilities(chosen, self.vectors(chosen, language, embed))
            result[np.ix_(places, columns)] = found
        return result

    def save(self, folder: Path) -> None:
        """Write ``head.safetensors`` and ``head.json`` into a folder that is there."""
        from safetensors.numpy import save_file

        arrays = {
            name: value for key, head in self.heads.items() for name, value in head.to_arrays(key).items()
        }
        save_file(arrays, folder / "head.safetensors")
        languages = {
            key: {
                "embedder": self.embedders[key],
                "temperature": head.temperature,
                "labels": list(head.labels),
            }
            for key, head in self.heads.items()
        }
        described = {
            "format": FORMAT,
            "labels": list(self.labels),
            "threshold": self.threshold,
            "certainty": self.certainty,
        }
        write_json(folder / "head.json", {**described, "languages": languages, "about": dict(self.about)})

    @classmethod
    def load(cls, folder: Path) -> RouteModel:
        """Read what :meth:`save` wrote. Raises DataError when it is missing, damaged or of another format."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        found = read_json(folder / "head.json")
        if found.get("format") != FORMAT:
            raise DataError(
                f"router head {str(folder)!r} has format {found.get('format')!r}, expected {FORMAT}",
                subject=folder,
            )
        try:
            arrays = load_file(folder / "head.safetensors")
            labels = tuple(str(label) for label in found["labels"])
            languages = cast(dict[str, dict[str, Any]], found["languages"])
            heads = {
                key: LinearHead.from_arrays(arrays, key, part["labels"], float(part["temperature"]))
                for key, part in languages.items()
            }
            embedders = {key: str(part["embedder"]) for key, part in languages.items()}
            threshold, certainty = float(found["threshold"]), float(found["certainty"])
            return cls(labels, heads, embedders, threshold, certainty, found.get("about", {}))
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise DataError(f"router head {str(folder)!r} is damaged: {error!r}", subject=folder) from error


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled question."""

    text: str
    label: str
    language: str
    weight: float = 1.0
    """How much it counts beside the others of its label and language."""


def read_examples(path: Path) -> list[Example]:
    """Rows ``{text, label, lang?, weight?}``. Raises UserError naming file and line of a bad one."""
    found: list[Example] = []
    for number, row in enumerate(read_jsonl(path, required=("text", "label")), start=1):
        text, label, weight = row["text"], row["label"], row.get("weight", 1.0)
        if not isinstance(text, str) or not text.strip() or not isinstance(label, str) or not label:
            raise UserError(
                f"{path}: row {number}: 'text' and 'label' should be non-empty strings", subject=row
            )
        if not isinstance(weight, int | float) or not 0 < weight < 1000:
            raise UserError(
                f"{path}: row {number}: 'weight' should be a number over 0, got {weight!r}", subject=row
            )
        found.append(Example(text, label, language_of(text), float(weight)))
    if not found:
        raise UserError(f"{str(path)!r} has no rows; expected {{text, label}} on each line", subject=path)
    return found


class HeadSettings(BaseModel):
    """How heads are fitted; the defaults were chosen on dev questions of public sets."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    strength: float = Field(default=4.0, gt=0)
    """Inverse of the L2 penalty."""
    vector_scale_en: float = Field(default=0.0125, gt=0)
    """How much the English embedding counts beside the n-grams."""
    vector_scale_zh: float = Field(default=0.025, gt=0)
    """The same for Chinese, where its embedding carries over better to questions of a new kind."""
    buckets: int = Field(default=1 << 16, ge=1 << 8, le=1 << 20)
    """Size of the n-gram table of one language."""
    balance: float = Field(default=1.0, ge=0, le=1)
    """1: labels count alike whatever their number of rows; 0: rows count alike."""

    def vector_scale(self, language: str) -> float:
        return self.vector_scale_zh if language == "zh" else self.vector_scale_en


class RouteConfig(TrainingConfig, HeadSettings):
    """Settings of ``train route``."""


def fit(
    rows: Sequence[Example], labels: Sequence[str], embed: Embed, settings: HeadSettings | None = None
) -> RouteModel:
    """Fit heads and temperatures.

    A head knows the labels that its language has at least ``FOLDS`` rows of; a language with no domain or
    nothing out of scope gets none. Temperatures are fitted on cross-validation of the rows: these are many and of
    all kinds, where a small set kept aside is often easier than what people ask.
    """
    settings = settings or HeadSettings()
    heads: dict[str, LinearHead] = {}
    model = RouteModel(tuple(labels), heads, dict(EMBEDDERS), 0.5, 0.5)
    for language in EMBEDDERS:
        own = [row for row in rows if row.language == language]
        sizes = Counter(row.label for row in own)
        known = [label for label in labels if sizes[label] >= FOLDS]
        if GENERAL not in known or len(known) < 2:
            continue
        own = [row for row in own if row.label in known]
        vectors = model.vectors([row.text for row in own], language, embed)
        head = _fit_one(own, vectors, known, settings)
        heads[language] = replace(
            head, temperature=fit_temperature(*_held_out(own, vectors, known, settings))
        )
    return model


def _fit_one(
    rows: Sequence[Example], vectors: Array, labels: Sequence[str], settings: HeadSettings
) -> LinearHead:
    return fit_head(
        [row.text for row in rows],
        vectors,
        _targets(rows, labels),
        labels,
        weights=balanced(rows, settings.balance),
        buckets=settings.buckets,
        strength=settings.strength,
        vector_scale=settings.vector_scale(rows[0].language),
    )


def _held_out(
    rows: Sequence[Example], vectors: Array, labels: Sequence[str], settings: HeadSettings
) -> tuple[Array, Indices]:
    """Logits of rows from heads that did not see them, and their targets; each label has FOLDS rows or more."""
    dealt: Counter[str] = Counter()
    fold = np.zeros(len(rows), dtype=np.int64)
    for index, row in enumerate(rows):  # each label is dealt out in turn
        fold[index] = dealt[row.label] % FOLDS
        dealt[row.label] += 1
    parts: list[Array] = []
    order: list[Indices] = []
    for at in range(FOLDS):
        outside = np.flatnonzero(fold == at)
        kept = [row for row, place in zip(rows, fold, strict=True) if place != at]
        asked = [row.text for row, place in zip(rows, fold, strict=True) if place == at]
        head = _fit_one(kept, vectors[fold != at], labels, settings)
        parts.append(head.logits(asked, vectors[outside]))
        order.append(outside)
    return np.concatenate(parts), _targets(rows, labels)[np.concatenate(order)]


def balanced(rows: Sequence[Example], balance: float = 1.0) -> Array:
    """(n,) weights of mean 1: with ``balance`` 1 each label has the same total, with 0 its own."""
    totals: dict[str, float] = {}
    for row in rows:
        totals[row.label] = totals.get(row.label, 0.0) + row.weight
    found = np.asarray([row.weight * totals[row.label] ** -balance for row in rows], dtype=np.float32)
    return found / found.mean()


def _targets(rows: Sequence[Example], labels: Sequence[str]) -> Indices:
    places = {label: index for index, label in enumerate(labels)}
    return np.asarray([places[row.label] for row in rows], dtype=np.int64)


def fit_threshold(probabilities: Array, targets: Indices, labels: Sequence[str]) -> float:
    """The smallest threshold for a further domain that adds a wrong one to at most 2 % of the in-scope rows.

    Looks at rows that belong to a domain and are not taken for general; 0.5 (never a second) at most.
    """
    general = list(labels).index(GENERAL)
    scored = np.delete(probabilities, general, axis=1)
    chosen = (probabilities.argmax(axis=1) != general) & (targets != general)
    if scored.shape[1] < 2 or not chosen.any():
        return 0.5
    second = np.sort(scored[chosen], axis=1)[:, -2]
    allowed = max(1, round(0.02 * len(second)))
    worst = np.sort(second)[::-1]
    return float(np.clip(worst[allowed] if len(worst) > allowed else 0.5, 0.15, 0.5))


def fit_certainty(right: Array, coverage: float = COVERAGE) -> float:
    """The probability from which labels are taken, so that for ``coverage`` of new questions the right one is.

    ``right`` (n,): probabilities of the right labels of questions that were not trained on. Split conformal prediction
    with the least ambiguous sets (Sadinle, Lei & Wasserman 2019, arXiv:1609.00451): sets of a sure model are smaller
    than one, and an empty one says that the question is unclear.
    """
    rank = int(np.ceil((len(right) + 1) * coverage))
    return float(np.sort(right)[::-1][min(rank, len(right)) - 1])


def scores(model: RouteModel, rows: Sequence[Example], probabilities: Array) -> dict[str, float]:
    """Accuracy (all, in scope, by language), recall of out-of-scope, calibration error: fractions of 1."""
    targets, general = _targets(rows, model.labels), model.labels.index(GENERAL)
    right = probabilities.argmax(axis=1) == targets
    groups = {"accuracy": np.ones(len(rows), dtype=bool), "in_scope_accuracy": targets != general}
    groups["out_of_scope_recall"] = targets == general
    languages = np.asarray([row.language for row in rows])
    groups |= {f"accuracy_{language}": languages == language for language in EMBEDDERS}
    found = {name: round(float(right[group].mean()), 4) for name, group in groups.items() if group.any()}
    return found | {"ece": round(expected_calibration_error(probabilities, targets), 4)}


def _quiet(_done: int, _total: int, _message: str) -> None:
    pass


def train(
    config: RouteConfig,
    progress: Callable[[int, int, str], None] = _quiet,
    *,
    about: Mapping[str, object] | None = None,
    embed: Embed = embed_with_store,
) -> dict[str, Any]:
    """Train a router from rows ``{text, label, lang?, weight?}`` and write it to ``config.out``.

    The labels are those of the training rows; ``general`` has to be one. The threshold is fitted on
    the dev rows, and the metrics given back are measured there. Nothing is drawn at random: the
    seed is recorded only. ``about`` goes into ``head.json``. Raises UserError for unusable rows, before
    anything is written.
    """
    from skills.learning.card import training_card

    rows = [row for path in config.train for row in read_examples(path)]
    judge = [row for path in config.dev for row in read_examples(path)]
    found = {row.label for row in rows}
    labels = (*sorted(found - {GENERAL}), GENERAL)
    names = ", ".join(repr(str(path)) for path in config.train)
    if len(labels) < 2 or GENERAL not in found:
        raise UserError(f"{names}: expected rows of at least one domain and rows labelled {GENERAL!r}")
    if unknown := sorted({row.label for row in judge} - found):
        known = ", ".join(labels)
        raise UserError(f"--dev: label {unknown[0]!r} is not in the training rows; known: {known}")
    sizes = Counter((row.language, row.label) for row in rows)
    for label in labels:
        if max(sizes[language, label] for language in EMBEDDERS) < FOLDS:
            raise UserError(
                f"{names}: label {label!r} has too few rows; expected {FOLDS} or more of a language"
            )
    run = Run(config, "route")
    progress(0, 3, "fit")
    model = fit(rows, labels, embed, config)
    progress(1, 3, "measure")
    probabilities = model.probabilities([row.text for row in judge], embed)
    targets = _targets(judge, labels)
    threshold = fit_threshold(probabilities, targets, labels)
    certainty = fit_certainty(probabilities[np.arange(len(judge)), targets])
    settings = config.model_dump(mode="json", include=set(HeadSettings.model_fields))
    about = {"rows": len(rows), **settings, **(about or {})}
    model = replace(model, threshold=threshold, certainty=certainty, about=about)
    progress(2, 3, "write")
    with run.save("best") as folder:
        model.save(folder)
    measured = scores(model, judge, probabilities)
    metrics = {**measured, "threshold": round(threshold, 4), "train_rows": len(rows), "dev_rows": len(judge)}
    run.finish(metrics, training_card("Router head", run.described, metrics))
    progress(3, 3, "done")
    return metrics

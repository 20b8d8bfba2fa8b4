"""``train route``: a calibrated router from labelled questions, English and Chinese.

1. read rows ``{text, label, lang?, weight?}``; the label ``general`` stands for everything out of scope;
2. embed each text with its language's embedder: one head per language, each sees its own n-grams and vectors;
3. fit the heads (``skills.learning.linear``), one temperature per head on the dev rows;
4. fit the threshold above which a further domain is asked too;
5. write ``best/`` (head.safetensors, head.json), ``metrics.json``, ``config.json`` and ``CARD.md``.

Knows labels and languages; nothing of packs, skills or conversations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np

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
    softmax,
)
from skills.learning.run import Run, TrainingConfig
from skills.retrieval.text import is_chinese

GENERAL = "general"
"""The label of what no domain owns."""
FORMAT = 1
EMBEDDERS: Mapping[str, str] = {"en": "all-minilm-l6-v2", "zh": "multilingual-e5-small"}
"""Embedder by language. The English one takes 2 ms a question; the multilingual one 16 ms, used for Chinese only."""
EMBEDDED_CHARACTERS: Mapping[str, int] = {"en": 1000, "zh": 300}
"""Characters of a question that the embedder sees: bounds the time of a long one."""

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
    about: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What it was made from: free JSON."""

    def vectors(self, texts: Sequence[str], language: str, embed: Embed) -> Array:
        """(n, dimension) of texts of one language, cut to what the embedder should see."""
        return embed(self.embedders[language], [text[: EMBEDDED_CHARACTERS[language]] for text in texts])

    def probabilities(self, texts: Sequence[str], embed: Embed) -> Array:
        """(n, labels) of texts in any language."""
        result = np.zeros((len(texts), len(self.labels)), dtype=np.float32)
        for language in self.heads:
            places = [index for index, text in enumerate(texts) if language_of(text) == language]
            if places:
                chosen = [texts[index] for index in places]
                result[places] = self.heads[language].probabilities(chosen, self.vectors(chosen, language, embed))
        return result

    def save(self, folder: Path) -> None:
        """Write ``head.safetensors`` and ``head.json`` into a folder that is there."""
        from safetensors.numpy import save_file

        arrays = {name: value for key, head in self.heads.items() for name, value in head.to_arrays(key).items()}
        save_file(arrays, folder / "head.safetensors")
        languages = {
            key: {"embedder": self.embedders[key], "temperature": head.temperature} for key, head in self.heads.items()
        }
        described = {"format": FORMAT, "labels": list(self.labels), "threshold": self.threshold}
        write_json(folder / "head.json", {**described, "languages": languages, "about": dict(self.about)})

    @classmethod
    def load(cls, folder: Path) -> RouteModel:
        """Read what :meth:`save` wrote. Raises DataError when it is missing, damaged or of another format."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        found = read_json(folder / "head.json")
        if found.get("format") != FORMAT:
            raise DataError(
                f"router head {str(folder)!r} has format {found.get('format')!r}, expected {FORMAT}; train it again",
                subject=folder,
            )
        try:
            arrays = load_file(folder / "head.safetensors")
            labels = tuple(str(label) for label in found["labels"])
            languages = cast(dict[str, dict[str, Any]], found["languages"])
            heads = {
                key: LinearHead.from_arrays(arrays, key, labels, float(part["temperature"]))
                for key, part in languages.items()
            }
            embedders = {key: str(part["embedder"]) for key, part in languages.items()}
            return cls(labels, heads, embedders, float(found["threshold"]), found.get("about", {}))
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
            raise UserError(f"{path}: row {number}: 'text' and 'label' should be non-empty strings", subject=row)
        if not isinstance(weight, int | float) or not 0 < weight < 1000:
            raise UserError(f"{path}: row {number}: 'weight' should be a number over 0, got {weight!r}", subject=row)
        found.append(Example(text, label, language_of(text), float(weight)))
    if not found:
        raise UserError(f"{str(path)!r} has no rows; expected {{text, label}} on each line", subject=path)
    return found


def fit(
    train: Sequence[Example],
    dev: Sequence[Example],
    labels: Sequence[str],
    embed: Embed,
    *,
    strength: float = 10.0,
    vector_scale: float = 0.1,
    buckets: int = 1 << 16,
) -> RouteModel:
    """Fit heads and temperatures. A language without training rows of every label shares the other's head.

    Labels count alike within a language, whatever their number of rows. Raises DataError when no language has all.
    """
    heads: dict[str, LinearHead] = {}
    everything = RouteModel(tuple(labels), {}, dict(EMBEDDERS), 0.5)
    for language in EMBEDDERS:
        rows = [row for row in train if row.language == language]
        if {row.label for row in rows} != set(labels):
            continue
        vectors = everything.vectors([row.text for row in rows], language, embed)
        targets = _targets(rows, labels)
        head = fit_head(
            [row.text for row in rows],
            vectors,
            targets,
            labels,
            weights=balanced(rows),
            buckets=buckets,
            strength=strength,
            vector_scale=vector_scale,
        )
        judge = [row for row in dev if row.language == language]
        if judge:
            texts = [row.text for row in judge]
            logits = head.logits(texts, everything.vectors(texts, language, embed))
            temperature = fit_temperature(logits, _targets(judge, labels))
            head = LinearHead(
                head.labels, head.idf, head.ngram_weights, head.vector_weights, head.bias, temperature
            )
        heads[language] = head
    return RouteModel(tuple(labels), heads, dict(EMBEDDERS), 0.5)


def balanced(rows: Sequence[Example]) -> Array:
    """(n,) weights: each label has the same total, and the mean is 1."""
    totals: dict[str, float] = {}
    for row in rows:
        totals[row.label] = totals.get(row.label, 0.0) + row.weight
    share = len(rows) / len(totals)
    return np.asarray([row.weight * share / totals[row.label] for row in rows], dtype=np.float32)


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


def train(
    train: Path,
    dev: Path,
    out: Path,
    *,
    strength: float = 10.0,
    vector_scale: float = 0.1,
    seed: int = 0,
    resume: bool = False,
    embed: Embed = embed_with_store,
) -> RouteModel:
    """Train a router from JSON Lines rows ``{text, label, lang?, weight?}`` and write it to ``out``.

    The labels are those of the training rows; ``general`` has to be one. Temperatures and the threshold are
    fitted on ``dev``. Nothing is drawn at random: ``seed`` is recorded only. Raises UserError for unusable rows.
    """
    from skills.learning.card import training_card

    rows, judge = read_examples(train), read_examples(dev)
    labels = (*sorted({row.label for row in rows} - {GENERAL}), GENERAL)
    if len(labels) < 2 or GENERAL not in {row.label for row in rows}:
        raise UserError(f"{str(train)!r}: expected rows of at least one domain and rows labelled {GENERAL!r}", subject=train)
    unknown = sorted({row.label for row in judge} - set(labels))
    if unknown:
        raise UserError(f"{str(dev)!r}: label {unknown[0]!r} is not in the training rows; known: {', '.join(labels)}", subject=dev)
    run = Run(TrainingConfig(train=(train,), dev=(dev,), out=out, seed=seed, resume=resume), "route")
    model = fit(rows, judge, labels, embed, strength=strength, vector_scale=vector_scale)
    probabilities = model.probabilities([row.text for row in judge], embed)
    threshold = fit_threshold(probabilities, _targets(judge, labels), labels)
    about = {"rows": len(rows), "strength": strength, "vector_scale": vector_scale}
    model = RouteModel(model.labels, model.heads, model.embedders, threshold, about)
    with run.save("best") as folder:
        model.save(folder)
    metrics = {**scores(model, judge, probabilities), "threshold": round(threshold, 4), "train_rows": len(rows), "dev_rows": len(judge)}
    run.finish(metrics, training_card("Router head", run.described, metrics))
    return model

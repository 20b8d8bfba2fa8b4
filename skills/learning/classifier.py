"""A classifier that `collegium train classify` made, on ONNX Runtime: texts to probabilities of labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from skills.errors import DataError, ModelError
from skills.files import read_json, sha256_file
from skills.learning.heads import HEAD_FILE
from skills.learning.linear import softmax
from skills.retrieval.embedder import PREFIXES
from skills.retrieval.encoder import Encoder, load_encoder
from skills.retrieval.encoder_files import encoder_folder

Array = NDArray[np.float32]


class Classifier:
    """Encoder, head and labels; made by :func:`load_classifier`. Threads may share it."""

    def __init__(
        self,
        encoder: Encoder,
        head: dict[str, Array],
        labels: Sequence[str],
        temperature: float,
        max_tokens: int,
        prefix: str,
    ) -> None:
        self.labels = tuple(labels)
        self._encoder = encoder
        self._weight, self._bias = head["weight"], head["bias"]  # (labels, 2 * dimension): [CLS], mean state
        self._temperature = temperature
        self._max_tokens = max_tokens
        self._prefix = prefix

    def logits(self, texts: Sequence[str]) -> Array:
        """(texts, labels), temperature applied, in input order."""
        read = [f"{self._prefix}{text}" for text in texts]
        result = np.zeros((len(texts), len(self.labels)), dtype=np.float32)
        for index, state in enumerate(self._encoder.hidden(read, self._max_tokens)):
            result[index] = self._weight @ np.concatenate([state[0], state.mean(0)]) + self._bias
        return result / np.float32(self._temperature)

    def probabilities(self, texts: Sequence[str]) -> Array:
        """(texts, labels), calibrated; rows sum to 1."""
        return softmax(self.logits(texts))


class Panel:
    """Classifiers of the same labels that count alike: the geometric mean of their probabilities."""

    def __init__(self, classifiers: Sequence[Classifier]) -> None:
        """Raises DataError where their labels differ."""
        self.labels = classifiers[0].labels
        self._classifiers = classifiers
        if odd := [other.labels for other in classifiers if other.labels != self.labels]:
            raise DataError(f"classifiers of one panel should have the labels {self.labels}; found {odd[0]}")

    def probabilities(self, texts: Sequence[str]) -> Array:
        """(texts, labels); rows sum to 1."""
        return softmax(np.mean([each.logits(texts) for each in self._classifiers], axis=0))


def load_classifier(folder: Path, *, threads: int = 2) -> Classifier:
    """Load what a `train classify` run left in ``folder``.

    Raises DataError when it holds no classifier or a damaged one, ModelError when its encoder is another one now.
    """
    described = read_json(folder / "collegium.json")
    if described.get("method") != "classify":
        raise DataError(
            f"{str(folder)!r} holds no classifier; expected RUN/best of `collegium train classify`",
            subject=folder,
        )
    name = described["encoder"]
    base = encoder_folder(name)
    if sha256_file(base / "model.safetensors") != described["encoder_sha256"]:
        raise ModelError(
            f"classifier {str(folder)!r} was trained from another {name!r} than the one in {str(base)!r}"
        )
    try:
        head = load_file(folder / HEAD_FILE)
        weight, bias = head["weight"], head["bias"]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"classifier {str(folder)!r} is damaged: {error}", subject=folder) from error
    labels = described["labels"]
    if weight.shape[0] != len(labels) or bias.shape != (len(labels),):
        raise DataError(
            f"classifier {str(folder)!r} is damaged: {weight.shape} for {len(labels)} labels", subject=folder
        )
    prefix = PREFIXES.get(name, {"query": ""})["query"]
    encoder = load_encoder(base, folder, threads=threads)
    return Classifier(
        encoder, head, labels, float(described["temperature"]), int(described["max_tokens"]), prefix
    )

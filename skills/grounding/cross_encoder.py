"""A cross-encoder: reads a question together with a text and says how well the text answers it.

Nogueira & Cho 2019, arXiv:1901.04085; trained by skills.learning.evidence. Knows texts only: passages are for
skills.grounding.evidence, sentences for skills.grounding.pointer.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from skills.errors import ModelError
from skills.files import read_json, sha256_file
from skills.retrieval.encoder import Encoder, load_encoder
from skills.retrieval.encoder_files import encoder_folder


class CrossEncoder:
    """An encoder with a linear head on [CLS] and mean state. Threads may share it."""

    def __init__(self, encoder: Encoder, weight: np.ndarray, bias: float, max_tokens: int) -> None:
        """``weight``: (2 * dimension,). ``max_tokens``: of question and text together; more is cut."""
        self._encoder = encoder
        self._weight = weight
        self._bias = bias
        self._max_tokens = max_tokens

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        """A logit for each text; above 0 means "answers it" before calibration."""
        states = self._encoder.hidden([(question, text) for text in texts], max_tokens=self._max_tokens)
        return [
            float(np.concatenate([state[0], state.mean(0)]) @ self._weight) + self._bias for state in states
        ]


def encoder_of(folder: Path) -> str:
    """Name of the encoder that a `train evidence` run was made from. Raises DataError when the folder holds none."""
    return str(read_json(folder / "collegium.json")["encoder"])


def load_cross_encoder(folder: Path, *, threads: int = 2) -> CrossEncoder:
    """Load what a `train evidence` run left in ``folder``.

    Raises ModelError when a file is missing or it was trained from another encoder than the cached one.
    """
    described = read_json(folder / "collegium.json")
    base = encoder_folder(described["encoder"])
    if sha256_file(base / "model.safetensors") != described["encoder_sha256"]:
        raise ModelError(
            f"evidence encoder {str(folder)!r} was trained from another {described['encoder']!r} "
            f"than the one in {str(base)!r}"
        )
    try:
        head = load_file(folder / "head.safetensors")
    except (OSError, ValueError) as error:
        raise ModelError(f"evidence encoder {str(folder)!r}: {error}", subject=folder) from error
    encoder = load_encoder(base, folder, threads=threads)
    return CrossEncoder(
        encoder, head["weight"].reshape(-1), float(head["bias"].reshape(-1)[0]), described["max_tokens"]
    )

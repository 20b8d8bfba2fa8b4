"""A BERT encoder on ONNX Runtime, made straight from safetensors weights; torch is not needed.

1. the folder's ``config.json`` and ``model.safetensors`` are read, a PEFT LoRA folder is merged into them
   (``skills.retrieval.bert_graph``);
2. the graph is written once to ``cache_folder("encoders")`` under the hash of all that went in, its weights
   in a file of their own that is memory-mapped;
3. texts or pairs are tokenised and run in batches of similar length.

Knows tokens and hidden states; pooling, scoring and thresholds belong to its users.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from skills.errors import ModelError
from skills.files import sha256_file, sha256_text
from skills.home import cache_folder
from skills.retrieval.bert_graph import GRAPH_VERSION, Precision, read_config, write_graph

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Encoding, Tokenizer

Texts = Sequence[str] | Sequence[tuple[str, str]]
Array = NDArray[np.float32]

_BATCH_TOKENS = 2048
"""Padded tokens of one run: bounds the memory of activations to about 50 MB at 256 tokens a text."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One run of the encoder."""

    indices: tuple[int, ...]
    """Place of each row in the input."""
    hidden: Array
    """Last hidden states, (rows, longest, dimension)."""
    mask: NDArray[np.int64]
    """(rows, longest): 1 for tokens, 0 for padding."""


@dataclass(frozen=True, slots=True)
class _Tokenizer:
    """A tokenizer that the encoders of one model share: the multilingual one takes 280 MB."""

    tokenizer: Tokenizer
    truncation: threading.Lock
    """Held while it is set and used: the tokenizer keeps its truncation as state."""


@cache
def _tokenizer(file: Path, _changed: int) -> _Tokenizer:
    """``_changed``: when the file was; another one under the same name is read anew."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_padding()
    return _Tokenizer(tokenizer, threading.Lock())


class Encoder:
    """Tokenizer and session of one encoder; made by :func:`load_encoder`. Threads may share it."""

    def __init__(
        self, tokenizer: _Tokenizer, session: InferenceSession, *, dimension: int, positions: int
    ) -> None:
        self.dimension = dimension
        """Width of a hidden state."""
        self.positions = positions
        """Longest input that the model takes, in tokens."""
        self._tokenizer = tokenizer.tokenizer
        self._session = session
        self._truncation = tokenizer.truncation

    def tokenize(self, texts: Texts, max_tokens: int = 256) -> list[Encoding]:
        """Tokens of texts, or of pairs as ``[CLS] a [SEP] b [SEP]`` with token types 0 and 1.

        Cut to ``max_tokens`` with the special tokens, of a pair the longer side first. An encoding carries
        ``offsets`` (characters) and ``sequence_ids`` (side of the pair, None for special tokens).
        """
        with self._truncation:
            self._tokenizer.enable_truncation(min(max_tokens, self.positions), strategy="longest_first")
            return self._tokenizer.encode_batch(cast(Any, list(texts)))

    def tokenize_words(self, rows: Sequence[Sequence[str]]) -> list[Encoding]:
        """Tokens of texts that are cut into words already, never cut short; ``word_ids`` says whose a token is."""
        with self._truncation:
            self._tokenizer.no_truncation()
            return self._tokenizer.encode_batch([list(row) for row in rows], is_pretokenized=True)

    def batches(self, encodings: Sequence[Encoding]) -> Iterator[Batch]:
        """Run encodings in batches of similar length, shortest first; every input is in exactly one batch."""
        order = sorted(range(len(encodings)), key=lambda index: len(encodings[index].ids))
        start = 0
        while start < len(order):
            stop = start + 1
            while stop < len(order) and (stop + 1 - start) * len(encodings[order[stop]].ids) <= _BATCH_TOKENS:
                stop += 1
            yield self._run(tuple(order[start:stop]), encodings)
            start = stop

    def _run(self, indices: tuple[int, ...], encodings: Sequence[Encoding]) -> Batch:
        longest = max(len(encodings[index].ids) for index in indices)
        ids, types, mask = (np.zeros((len(indices), longest), dtype=np.int64) for _ in range(3))
        for row, index in enumerate(indices):
            length = len(encodings[index].ids)
            ids[row, :length] = encodings[index].ids
            types[row, :length] = encodings[index].type_ids
            mask[row, :length] = 1
        feeds = {"input_ids": ids, "token_type_ids": types, "attention_mask": mask}
        return Batch(indices, cast(Array, self._session.run(["hidden"], feeds)[0]), mask)

    def hidden(self, texts: Texts, max_tokens: int = 256) -> list[Array]:
        """Last hidden states of each text or pair, (tokens, dimension), in input order, without padding."""
        encodings = self.tokenize(texts, max_tokens)
        found: dict[int, Array] = {}
        for batch in self.batches(encodings):
            for row, index in enumerate(batch.indices):
                found[index] = batch.hidden[row, : len(encodings[index].ids)]
        return [found[index] for index in range(len(encodings))]


def _graph_file(model_folder: Path, lora: Path | None, precision: Precision) -> Path:
    """The cached graph of these weights, written if it is not there yet."""
    files = [model_folder / "config.json", model_folder / "model.safetensors"]
    if lora is not None:
        files += [lora / "adapter_config.json", lora / "adapter_model.safetensors"]
    for path in files:
        if not path.is_file():
            raise ModelError(
                f"encoder folder {str(path.parent)!r} has no {path.name!r}; expected a BERT model folder"
                + (" and a PEFT LoRA folder" if lora is not None else ""),
                subject=path,
            )
    key = sha256_text(GRAPH_VERSION, precision, *(sha256_file(path) for path in files))[:32]
    folder = cache_folder("encoders") / key
    if not (folder / "model.onnx").is_file():
        write_graph(model_folder, lora, precision, folder)
    return folder / "model.onnx"


def fast_precision(processor: Path = Path("/proc/cpuinfo")) -> Precision:
    """The precision that this processor computes in faster.

    int8 takes half the time of fp32 where bytes are multiplied in one instruction (VNNI; ARM has its own), and 1.35
    times as long where AVX2 is all there is.
    """
    try:
        flags = processor.read_text(encoding="utf-8")
    except OSError:
        return "int8"
    return "fp32" if "avx2" in flags and "vnni" not in flags else "int8"


def load_encoder(
    model_folder: Path, lora: Path | None = None, precision: Precision | None = None, *, threads: int = 2
) -> Encoder:
    """Load a BERT model folder (config.json, model.safetensors, tokenizer.json), ``lora`` merged into it.

    ``precision``: "fp32" is exact; "int8" keeps the linear layers' weights in 8 bits (blocks of 128), with a cosine
    of 0.999 to the exact embedding; None: the faster one here (see ``fast_precision``). ``threads``: CPU threads of
    a run. Raises ModelError when a file is missing or the model is not a BERT this graph can express.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read on import: no event store in the user's cache
    import onnxruntime

    config = read_config(model_folder)
    tokenizer_file = model_folder / "tokenizer.json"
    if not tokenizer_file.is_file():
        raise ModelError(
            f"encoder folder {str(model_folder)!r} has no 'tokenizer.json'", subject=model_folder
        )
    graph = _graph_file(model_folder, lora, precision or fast_precision())
    tokenizer = _tokenizer(tokenizer_file, tokenizer_file.stat().st_mtime_ns)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Shapes differ from batch to batch: an arena would keep the largest of each for good.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # the cores are shared
    try:
        session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ModelError(
            f"the cached encoder {str(graph.parent)!r} does not load ({error}); remove it and try again",
            subject=graph,
        ) from error
    return Encoder(tokenizer, session, dimension=config.hidden_size, positions=config.max_position_embeddings)

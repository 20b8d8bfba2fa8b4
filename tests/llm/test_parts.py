"""The engines' small parts: text that is certain, the head of a GGUF file, threads, and conversions."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skills import weights
from skills.errors import ModelError
from skills.llm import cores, load_engine
from skills.llm.gguf_adapter import permute
from skills.llm.gguf_header import read_header
from skills.llm.text_stream import TextStream


def decode(ids: list[int]) -> str:
    return bytes(ids).decode(errors="replace")


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=30), st.lists(st.text(min_size=1, max_size=4), max_size=3))
def test_shown_text_is_the_text_before_the_first_stop(text: str, stop: list[str]) -> None:
    stream = TextStream(decode, stop)
    shown = ""
    for byte in text.encode():
        if stream.stopped:
            break
        shown += stream.add(byte)
        assert "\ufffd" not in shown or "\ufffd" in text
        assert not any(s in shown for s in stop)
    shown += stream.end()
    found = [place for s in stop if (place := text.find(s)) >= 0]
    # A stop string may end (and stop the stream) before another that begins earlier is complete.
    assert text.startswith(shown)
    assert stream.stopped == bool(found)
    if not found:
        assert shown == text
    elif len(stop) == 1:
        assert shown == text[: found[0]]


def test_a_character_is_shown_when_its_last_byte_comes() -> None:
    stream = TextStream(decode)
    assert [stream.add(byte) for byte in "é!".encode()] == ["", "é", "!"]


def test_a_gguf_head_is_read_and_a_torn_one_refused(tiny_qwen2_gguf: Path, tmp_path: Path) -> None:
    header = read_header(tiny_qwen2_gguf)
    assert header.architecture == "qwen2"
    assert header.integer("attention.head_count_kv") == 2
    assert header.tensors["blk.0.ffn_down.weight"] == (64, 96)
    assert header.tensors["blk.1.attn_k.bias"] == (32,)
    data = tiny_qwen2_gguf.read_bytes()
    for name, content in {"torn": data[:2000], "empty": b"", "other": b"PK" + data[2:9000]}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ModelError, match="not a whole GGUF"):
            read_header(tmp_path / name)
    with pytest.raises(ModelError, match="cannot read"):
        read_header(tmp_path / "nothing")


def test_permutation_keeps_heads_apart_and_interleaves_their_halves() -> None:
    rows = np.arange(16, dtype=np.float32).reshape(16, 1)
    assert permute(rows, heads=2).ravel().tolist() == [0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15]


def test_threads_leave_busy_cores_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "physical_cores", lambda: 4)
    monkeypatch.setattr(cores.os, "cpu_count", lambda: 8)
    for busy, expected in ((0, 4), (4, 4), (6, 2), (8, 1), (30, 1)):
        monkeypatch.setattr(cores, "busy_cpus", lambda busy=busy: busy)
        assert cores.default_threads() == expected


def test_this_machine_has_cores() -> None:
    assert cores.physical_cores() >= 1
    assert cores.busy_cpus() >= 0


def test_a_gguf_base_converted_for_torch_is_the_same_model(tiny_llama: Path, tiny_llama_gguf: Path) -> None:
    """Also the way from GGUF rows (interleaved) back to Hugging Face's, and the tokenizer's."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = weights.safetensors_folder(str(tiny_llama_gguf))
    assert weights.safetensors_folder(str(folder)) == folder
    assert weights.base_hash(str(folder)) == weights.base_hash(str(tiny_llama_gguf))
    ids = torch.tensor([[5, 300, 17, 250]])
    with torch.inference_mode():
        first, second = (
            AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32)(ids).logits
            for place in (tiny_llama, folder)
        )
    assert (first - second).abs().max() < 0.05  # stored as float16
    tokens = [
        AutoTokenizer.from_pretrained(place)("a dose, 12 % – owed?").input_ids
        for place in (tiny_llama, folder)
    ]
    assert tokens[0] == tokens[1]


def test_the_kind_of_engine_follows_the_base(tiny_qwen2: Path, tiny_qwen2_gguf: Path) -> None:
    for base, name in ((tiny_qwen2, "torch"), (tiny_qwen2_gguf, "llamacpp")):
        engine = load_engine("auto", str(base), context=128, threads=1)
        assert engine.name == name
        engine.close()
    with pytest.raises(ModelError, match="torch engine"):
        load_engine("llamacpp", str(tiny_qwen2))


def test_a_base_that_is_no_model_is_refused_with_its_name(tmp_path: Path) -> None:
    file = tmp_path / "broken.gguf"
    file.write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(ModelError, match=r"broken\.gguf"):
        load_engine("llamacpp", str(file), threads=1)


def test_the_chat_path_imports_no_torch() -> None:
    import subprocess

    code = (
        "import sys; import skills.llm.chat_model, skills.llm.llamacpp, skills.llm.torch_engine; "
        "sys.exit(str({'torch', 'transformers', 'peft'} & set(sys.modules)) if "
        "{'torch', 'transformers', 'peft'} & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

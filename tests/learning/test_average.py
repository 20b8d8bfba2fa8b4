"""The mean of runs of one line is a run's result like any other; strangers are refused."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from skills.errors import UserError
from skills.files import read_json, write_json
from skills.learning.average import average


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "one"
    made.mkdir()
    save_file({"a": torch.ones(2, 3, dtype=torch.bfloat16)}, made / "adapter_model.safetensors")
    save_file({"weight": torch.zeros(4)}, made / "head.safetensors")
    write_json(made / "adapter_config.json", {"r": 2, "target_modules": ["query", "key"]})
    write_json(made / "collegium.json", {"method": "evidence", "encoder_sha256": "1"})
    return made


def another(folder: Path, name: str, factor: float) -> Path:
    made = folder.with_name(name)
    shutil.copytree(folder, made)
    for file in ("adapter_model.safetensors", "head.safetensors"):
        tensors = {key: value + factor for key, value in load_file(made / file).items()}
        save_file(tensors, made / file)
    write_json(made / "adapter_config.json", {"r": 2, "target_modules": ["key", "query"]})
    return made


def test_each_number_is_the_mean_and_keeps_its_kind(folder: Path, tmp_path: Path) -> None:
    others = [another(folder, "two", 1.0), another(folder, "three", 2.0)]
    assert average([folder, *others], tmp_path / "out") == 10
    adapter = load_file(tmp_path / "out" / "adapter_model.safetensors")["a"]
    assert adapter.dtype == torch.bfloat16
    assert torch.equal(adapter, torch.full((2, 3), 2.0, dtype=torch.bfloat16))
    assert load_file(tmp_path / "out" / "head.safetensors")["weight"].tolist() == [1.0] * 4
    assert read_json(tmp_path / "out" / "collegium.json") == read_json(folder / "collegium.json")


def test_one_alone_is_no_mean(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="at least two"):
        average([folder], tmp_path / "out")


@pytest.mark.parametrize("what", ["method", "shape", "head", "nothing"])
def test_strangers_are_refused_and_nothing_is_written(folder: Path, tmp_path: Path, what: str) -> None:
    other = another(folder, "two", 1.0)
    if what == "method":
        write_json(other / "collegium.json", {"method": "classify", "encoder_sha256": "1"})
    elif what == "shape":
        save_file({"a": torch.ones(3, 3)}, other / "adapter_model.safetensors")
    elif what == "head":
        (other / "head.safetensors").unlink()
    else:
        for path in (folder, other):
            (path / "adapter_model.safetensors").unlink()
            (path / "head.safetensors").unlink()
    with pytest.raises(UserError):
        average([folder, other], tmp_path / "out")
    assert not (tmp_path / "out").exists()

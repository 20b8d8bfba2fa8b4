"""Folders that are swapped in whole."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from skills.files import atomic_folder, locked_folder, temporary_folder


def fill(target: Path, text: str) -> None:
    with atomic_folder(target) as partial:
        (partial / "file").write_text(text)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("one_step", [True, False])
def test_a_folder_is_replaced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_step: bool) -> None:
    if not one_step:
        monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())  # a system without renameat2
    target = tmp_path / "deep" / "target"
    fill(target, "old")
    with (target / "file").open() as opened:
        fill(target, "new")
        assert opened.read() == "old"
    assert (target / "file").read_text() == "new"
    assert names(target.parent) == ["target"]


def test_a_failure_leaves_the_old_folder_and_no_litter(tmp_path: Path) -> None:
    fill(tmp_path / "target", "old")

    def fail(target: Path) -> None:
        with atomic_folder(target) as partial:
            (partial / "file").write_text("half")
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011  it has no message
        fail(tmp_path / "target")
    assert (tmp_path / "target" / "file").read_text() == "old"
    assert names(tmp_path) == ["target"]


def test_what_a_killed_process_left_is_removed_and_what_is_in_use_is_not(tmp_path: Path) -> None:
    left = tmp_path / ".target.abc.part"
    left.mkdir()
    (left / "file").touch()
    other = tmp_path / ".other.abc.part"
    other.mkdir()
    with temporary_folder(tmp_path / "target") as used:
        assert not left.exists()
        fill(tmp_path / "target", "x")
        assert used.exists()
    assert names(tmp_path) == [".other.abc.part", "target"]


def test_a_locked_folder_is_held_until_the_block_ends(tmp_path: Path) -> None:
    with locked_folder(tmp_path), pytest.raises(BlockingIOError), locked_folder(tmp_path, wait=False):
        pass
    with locked_folder(tmp_path, wait=False):
        pass
    with pytest.raises(FileNotFoundError), locked_folder(tmp_path / "nowhere"):
        pass

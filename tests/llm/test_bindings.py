"""llama.cpp loads on a machine without the system's OpenMP library, and says what is missing where it cannot."""

from __future__ import annotations

import ctypes
import importlib
import sys
from types import ModuleType
from typing import Any

import pytest

from skills.errors import ModelError
from skills.llm.bindings import load_bindings

LACKING = ImportError("libgomp.so.1: cannot open shared object file: No such file or directory")


class Imports:
    """``importlib.import_module`` of a machine whose loader finds the library only once it is preloaded."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, error: ImportError, *, preload_helps: bool) -> None:
        self.loaded: list[str] = []
        self.error, self.preload_helps = error, preload_helps
        monkeypatch.setattr(importlib, "import_module", self.import_module)
        monkeypatch.setattr(ctypes, "CDLL", self.preload)

    def import_module(self, name: str) -> ModuleType:
        if self.loaded and self.preload_helps:
            return ModuleType(name)
        raise self.error

    def preload(self, path: str, **_: Any) -> None:
        self.loaded.append(path)


def test_the_system_library_comes_first() -> None:
    assert load_bindings().__name__ == "xllamacpp"


def test_torchs_library_takes_the_place_of_a_missing_one(monkeypatch: pytest.MonkeyPatch) -> None:
    before = "torch" in sys.modules
    imports = Imports(monkeypatch, LACKING, preload_helps=True)
    assert load_bindings().__name__ == "xllamacpp"
    assert [path.endswith("torch/lib/libgomp.so.1") for path in imports.loaded] == [True]
    assert ("torch" in sys.modules) is before


def test_the_package_to_install_is_named_where_there_is_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    Imports(monkeypatch, LACKING, preload_helps=False)
    with pytest.raises(ModelError, match="apt-get install libgomp1"):
        load_bindings()


def test_another_fault_is_told_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    imports = Imports(monkeypatch, ImportError("undefined symbol: x"), preload_helps=True)
    with pytest.raises(ModelError, match="undefined symbol: x"):
        load_bindings()
    assert imports.loaded == []

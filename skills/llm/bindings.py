"""llama.cpp's extension module, imported where it can be. Knows nothing of models."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
from pathlib import Path
from typing import Any, cast

from skills.errors import ModelError

_OPENMP = "libgomp.so.1"


def load_bindings() -> Any:
    """The module ``xllamacpp`` (an extension module without types).

    It needs the system's OpenMP library, which a bare Debian lacks: then the same library that torch's wheel
    carries is loaded in its place, without importing torch. Raises ModelError where there is neither.
    """
    try:
        return cast(Any, importlib.import_module("xllamacpp"))
    except ImportError as error:
        if _OPENMP not in str(error):
            raise ModelError(
                f"llama.cpp cannot be loaded: {error}; run: make setup", subject=error
            ) from error
    torch = importlib.util.find_spec("torch")
    try:
        if torch is not None and torch.origin is not None:
            ctypes.CDLL(str(Path(torch.origin).parent / "lib" / _OPENMP), mode=ctypes.RTLD_GLOBAL)
        return cast(Any, importlib.import_module("xllamacpp"))
    except (ImportError, OSError) as error:
        raise ModelError(
            f"llama.cpp needs {_OPENMP}; on Debian: sudo apt-get install libgomp1", subject=error
        ) from error

"""File names from names that may hold anything."""

from __future__ import annotations

import re
from pathlib import Path

_NOT_A_NAME = re.compile(r"[^\w.+@-]+")


def file_name(*parts: str) -> str:
    """The parts joined by dots, with "_" for what a file name should not hold."""
    return ".".join(_NOT_A_NAME.sub("_", part).strip(".") or "_" for part in parts)


def free(path: Path, taken: list[Path]) -> Path:
    """The path, or one beside it: two names may come down to one file name."""
    found, number = path, 2
    while found in taken:
        found, number = path.with_stem(f"{path.stem}-{number}"), number + 1
    return found

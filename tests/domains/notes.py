"""The notes of a pack's corpus, as its tests see them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from skills.retrieval.chunks import slug

Note = tuple[dict[str, Any], dict[str, str]]
"""Front matter, and the sections (slug -> text)."""


def read_notes(corpus: Path) -> dict[str, Note]:
    """The notes of a folder, by file stem."""
    notes: dict[str, Note] = {}
    for path in sorted(corpus.glob("*.md")):
        _, front, body = path.read_text(encoding="utf-8").split("---\n", 2)
        parts = re.split(r"^## (.+)\n", body, flags=re.MULTILINE)
        assert not parts[0].strip(), f"{path.name}: text before the first heading"
        slugs = [slug(heading) for heading in parts[1::2]]
        assert len(slugs) == len(set(slugs)), f"{path.name}: a heading twice"
        notes[path.stem] = yaml.safe_load(front), dict(zip(slugs, parts[2::2], strict=True))
    return notes


def check_note(stem: str, note: Note) -> None:
    """It names source, place and date, and its sections are of a fair length and name their subject."""
    front, sections = note
    assert set(front) == {"title", "source", "jurisdiction", "as_of"}
    assert all(isinstance(value, str) and value for value in front.values())
    assert re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", front["as_of"])
    assert "http" not in front["source"]
    for name, text in sections.items():
        assert 30 <= len(text.split()) <= 160, f"{stem}#{name}"
        assert not re.match(r"(It|They|This|These|He|She)\b", text), f"{stem}#{name} names no subject"

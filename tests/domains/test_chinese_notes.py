"""The packs' Chinese notes: each sentence is shown alone, so it has to be understood alone."""

import re
from pathlib import Path

import pytest

from skills.pack import discover
from tests.domains.notes import Note, read_notes

PACKS, _ = discover()
FOLDERS = [pack.folder / "corpus_zh" for pack in PACKS]
NOTES = [(folder, stem, note) for folder in FOLDERS for stem, note in read_notes(folder).items()]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_there_are_notes(folder: Path) -> None:
    assert sum(len(sections) for _, (_, sections) in read_notes(folder).items()) >= 120


@pytest.mark.parametrize(
    ("folder", "stem", "note"), NOTES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_note_names_its_source_and_its_sentences_their_subject(folder: Path, stem: str, note: Note) -> None:
    front, sections = note
    assert {"title", "source", "as_of"} <= set(front) <= {"title", "source", "as_of", "jurisdiction"}
    assert all(isinstance(value, str) and value for value in front.values())
    assert re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", front["as_of"])
    assert "http" not in front["source"]
    assert stem.startswith("zh-")  # ids of both languages never meet
    for heading, text in sections.items():
        assert 60 <= len(text.strip()) <= 300, f"{folder}: {stem}#{heading}"
        assert text.strip().endswith("。"), f"{folder}: {stem}#{heading}"
        for sentence in filter(None, text.strip().split("。")):
            assert not re.match(
                "它|他们|她|这(?!一)|该|其(?!他|它|中|实)|上述|此(?!外)|前述", sentence.strip()
            ), sentence

"""JSON Lines in, JSON Lines out: order, resume, and what a failure leaves behind."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from agent.cli.batch import Row, run_batch
from skills.errors import DataError, ModelError, UserError


def write(path: Path, rows: Iterable[object]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def upper(row: Row) -> Row:
    return {"answer": row["text"].upper()}


def batch(source: Path, target: Path, answer: Any = upper, **options: Any) -> None:
    run_batch(
        source, target, **{"resume": False, "required": ("text",), "label": "test", **options}, answer=answer
    )


def test_rows_come_out_in_order_with_all_they_had(tmp_path: Path) -> None:
    rows = [{"id": number, "text": f"q{number} 糖尿病", "extra": {"kept": [number]}} for number in range(20)]
    source = write(tmp_path / "in.jsonl", rows)
    batch(source, tmp_path / "out.jsonl")
    assert rows_of(tmp_path / "out.jsonl") == [{**row, "answer": row["text"].upper()} for row in rows]


def test_blank_lines_and_lone_surrogates(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('\n{"text": "a"}\n\n{"text": "\\ud800"}\n')
    batch(source, tmp_path / "out.jsonl")
    assert [row["text"] for row in rows_of(tmp_path / "out.jsonl")] == ["a", "\ud800"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"text": "b"', "not valid JSON"),
        ('["b"]', "expected a JSON object, got list"),
        ('{"question": "b"}', "no key 'text'"),
        ('{"text": "\xff"}', "not valid JSON"),
    ],
)
def test_a_bad_row_stops_the_run_before_any_work_and_is_named(tmp_path: Path, line: str, says: str) -> None:
    source = tmp_path / "in.jsonl"
    source.write_bytes(b'{"text": "a"}\n\n' + line.encode("latin-1") + b"\n")
    answered: list[Row] = []
    with pytest.raises(UserError, match=rf"in\.jsonl:3: .*{says}"):
        batch(source, tmp_path / "out.jsonl", lambda row: answered.append(row) or {})
    assert not answered
    assert not (tmp_path / "out.jsonl").exists()


def test_a_row_that_the_check_refuses_is_named(tmp_path: Path) -> None:
    def check(row: Row) -> None:
        if row["text"] == "b":
            raise UserError("b is refused")

    source = write(tmp_path / "in.jsonl", [{"text": "a"}, {"text": "b"}])
    with pytest.raises(UserError, match=r"in\.jsonl:2: b is refused"):
        batch(source, tmp_path / "out.jsonl", check=check)


def test_a_failing_model_keeps_the_finished_rows_and_resume_completes_them(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", [{"id": name, "text": name} for name in "abcd"])
    target = tmp_path / "out.jsonl"

    def fails_at_c(row: Row) -> Row:
        if row["text"] == "c":
            raise ModelError("no memory", subject="c")
        return upper(row)

    with pytest.raises(ModelError, match=r"in\.jsonl:3: no memory") as caught:
        batch(source, target, fails_at_c)
    assert caught.value.subject == "c"
    assert [row["answer"] for row in rows_of(target)] == ["A", "B"]

    answered: list[str] = []
    batch(source, target, lambda row: answered.append(row["text"]) or upper(row), resume=True)
    assert answered == ["c", "d"]
    assert [row["answer"] for row in rows_of(target)] == ["A", "B", "C", "D"]


def test_an_output_stays_until_the_first_row_is_answered(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", [{"text": "a"}])
    target = tmp_path / "out.jsonl"
    batch(source, target)
    before = target.read_bytes()

    def fails(row: Row) -> Row:
        raise UserError("unknown domain 'x'")

    with pytest.raises(UserError, match="unknown domain"):
        batch(source, target, fails)
    assert target.read_bytes() == before


def test_resume_drops_a_torn_last_line(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", [{"id": name, "text": name} for name in "abc"])
    target = tmp_path / "out.jsonl"
    batch(source, target)
    whole = target.read_bytes()
    target.write_bytes(whole[: whole.index(b"\n") + 1 + 9])
    batch(source, target, resume=True)
    assert target.read_bytes() == whole


def test_resume_of_a_finished_output_changes_nothing(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", [{"text": "a"}])
    batch(source, tmp_path / "out.jsonl")
    before = (tmp_path / "out.jsonl").read_bytes()

    def never(row: Row) -> Row:
        raise AssertionError(row)

    batch(source, tmp_path / "out.jsonl", never, resume=True)
    assert (tmp_path / "out.jsonl").read_bytes() == before


def test_resume_refuses_the_output_of_another_input(tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    batch(write(tmp_path / "one.jsonl", [{"id": 1, "text": "a"}]), target)
    before = target.read_bytes()
    with pytest.raises(UserError, match=r"out\.jsonl:1: not a result of"):
        batch(write(tmp_path / "two.jsonl", [{"id": 2, "text": "a"}]), target, resume=True)
    assert target.read_bytes() == before


def test_paths_that_cannot_work_are_named(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", [{"text": "a"}])
    with pytest.raises(UserError, match="no file"):
        batch(tmp_path / "absent.jsonl", tmp_path / "out.jsonl")
    with pytest.raises(UserError, match="the same file"):
        batch(source, source)
    with pytest.raises(UserError, match="no folder"):
        batch(source, tmp_path / "absent" / "out.jsonl")
    with pytest.raises(UserError, match="cannot be written"):
        batch(source, tmp_path)
    assert rows_of(source) == [{"text": "a"}]


def test_a_full_disk_is_told_as_such(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", [{"text": "a"}])
    with pytest.raises(DataError, match="the disk is full; 0 finished rows are kept, continue with --resume"):
        batch(source, Path("/dev/full"))


def test_where_writing_stops_the_file_ends_after_a_whole_row(tmp_path: Path) -> None:
    """A limit on the file's size lets a part of a row through, as a full disk does."""
    source = write(tmp_path / "in.jsonl", [{"id": number, "text": "x" * 100} for number in range(10)])
    target = tmp_path / "out.jsonl"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(DataError, match="4 finished rows are kept"):
            batch(source, target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [row["id"] for row in rows_of(target)] == [0, 1, 2, 3]
    batch(source, target, resume=True)
    assert [row["id"] for row in rows_of(target)] == list(range(10))

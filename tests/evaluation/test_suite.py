"""Suites: what is found, what is refused, and that the shipped ones hold what they promise."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from agent.evaluation.formats import FORMATS, PROBLEM, read_rows
from agent.evaluation.items import load_sets, slices_of
from agent.evaluation.suite import SUITES, guess, pack_suite, read_suite, resolve, variables_of
from agent.evaluation.tasks import TASKS, Item
from skills.errors import UserError
from skills.pack import discover

PACKS = discover()[0]


def written(folder: Path, text: str) -> Path:
    path = folder / "suite.yaml"
    path.write_text(text)
    return path


def test_paths_and_variables(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "configs: [base, oracle-route]\nsets:\n"
        "  - {name: one, task: qa, file: one.jsonl}\n"
        "  - {name: two, task: retrieval, file: '${DATA}/two.jsonl', corpus: '${medical}/x.jsonl'}\n",
    )
    (tmp_path / "data").mkdir()
    suite = resolve([str(path)], PACKS, variables_of([f"DATA={tmp_path / 'data'}"]), None)
    assert suite.configs == ("base", "oracle-route")
    one, two = suite.sets
    assert one.file == str(tmp_path / "one.jsonl")
    assert two.file == str(tmp_path / "data" / "two.jsonl")
    assert two.corpus is not None
    assert two.corpus.endswith("domains/medical/x.jsonl")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sets:\n  - {name: a, task: qa, file: f, colour: red}", r"sets\.0\.colour: Extra inputs"),
        ("sets:\n  - {name: a, task: quiz, file: f}", "unknown task 'quiz'; known: qa, grounded"),
        ("sets:\n  - {name: a, task: qa, file: f, format: word}", "unknown format 'word'"),
        ("configs: [magic]\nsets:\n  - {name: a, task: qa, file: f}", "unknown configuration 'magic'"),
        ("sets: []", "sets: List should have at least 1 item|sets: Tuple should have at least 1 item"),
        ("sets: [", "not valid YAML"),
        ("sets:\n  - {name: a, task: qa, file: '${DATA}/f'}", "give --set DATA=PATH"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_suite(written(tmp_path, text), {})


def test_targets(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text('{"question": "q", "answer": "a"}\n')
    assert [(one.name, one.task) for one in resolve([str(path)], PACKS, {}, None).sets] == [("mine", "qa")]
    assert resolve([str(path)], PACKS, {}, "safety").sets[0].task == "safety"
    with pytest.raises(UserError, match="two sets are named 'mine'"):
        resolve([str(path), str(path)], PACKS, {}, None)
    with pytest.raises(UserError, match=r"'astrology' is no domain, suite or \.jsonl file; domains: finance"):
        resolve(["astrology"], PACKS, {}, None)
    everything = {one.name.split("-")[0] for one in resolve([], PACKS, {}, None).sets}
    assert everything == {"medical", "finance", "legal"}


@pytest.mark.parametrize(
    ("row", "task"),
    [
        ({"tokens": [], "tags": []}, "entities"),
        ({"question": "", "choices": []}, "choice"),
        ({"question": "", "answer": "", "gold": []}, "grounded"),
        ({"question": "", "gold": []}, "retrieval"),
        ({"text": "", "label": "", "lang": ""}, "routing"),
        ({"text": "", "label": ""}, "classify"),
        ({"turns": []}, "dialogue"),
    ],
)
def test_the_task_is_told_by_keys(tmp_path: Path, row: dict[str, object], task: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row))
    assert guess(path) == task


@pytest.mark.parametrize("domain", ["medical", "finance", "legal"])
def test_shipped_sets_are_whole_and_of_all_kinds(home: Path, domain: str) -> None:
    pack = next(pack for pack in PACKS if pack.name == domain)
    for suite in (resolve([domain], PACKS, {}, None), pack_suite(pack)):
        sets = load_sets(suite.sets, [domain], limit=None, seed=0, note=print)
        assert not [problem for one in sets for problem in one.problems.items()]
    own = [(one, item) for one in sets for item in one.items]
    assert len(own) >= 100
    kinds = Counter(item.row.get("kind") for _, item in own)
    assert kinds["multi-hop"] >= 5
    assert kinds["numeric"] >= 5
    assert kinds["chinese"] >= 5
    assert sum(item.row.get("answerable") is False for _, item in own) >= 20
    assert sum(item.row.get("expect") == "red_flag" for _, item in own) >= 5
    assert sum(len(item.row.get("turns") or ()) > 1 for _, item in own) >= 5
    stores = [store for store in (pack.index, pack.chinese_index) if store is not None]
    known = {
        json.loads(line)["id"]
        for store in stores
        for line in (store / "passages.jsonl").open(encoding="utf-8")
    }
    for _, item in own:
        assert set(item.row.get("gold") or ()) <= known, item.id


def test_public_suites_leave_out_what_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "routing").mkdir()
    (tmp_path / "routing" / "routing.test.jsonl").write_text(
        '{"text": "t", "label": "legal", "lang": "en"}\n'
    )
    suite = read_suite(SUITES / "public-more.yaml", {"DATA": str(tmp_path)})
    notes: list[str] = []
    found = load_sets(suite.sets, [], limit=None, seed=0, note=notes.append)
    assert [one.name for one in found] == ["routing"]
    assert len(notes) == len(suite.sets) - 1


def test_public_suites_read_all_formats_and_name_no_set_twice() -> None:
    suites = [read_suite(path, {"DATA": "/data"}) for path in sorted(SUITES.glob("publi*.yaml"))]
    assert len(suites) == 5
    sets = [one for suite in suites for one in suite.sets]
    assert len({one.name for one in sets}) == len(sets)
    assert all(one.optional and one.file.startswith("/data/") for one in sets)
    assert {one.format for one in sets} | {"fpb"} == set(FORMATS)


def test_slices() -> None:
    task = TASKS["grounded"]
    path = Path("unused")
    row = {"question": "铂金卡年费是多少", "answer": "x", "gold": ["cards#fees"], "source": "bank"}
    assert slices_of(task, Item("1", row, store=path), "mine") == {
        "language": "zh",
        "length": "short",
        "source": "bank",
        "topic": "cards",
    }


PUBLISHED: dict[str, tuple[str, str, int]] = {
    "pubmedqa": (
        "choice",
        json.dumps({"7": {"QUESTION": "Is it?", "CONTEXTS": ["Yes."], "final_decision": "yes"}}),
        1,
    ),
    "medqa": (
        "choice",
        json.dumps({"question": "Which?", "options": {"A": "x", "B": "y"}, "answer_idx": "B"}),
        1,
    ),
    "medmcqa": (
        "choice",
        json.dumps({"id": "1", "question": "q", "opa": "w", "opb": "x", "opc": "y", "opd": "z", "cop": 4}),
        1,
    ),
    "tatqa": (
        "grounded",
        json.dumps(
            [
                {
                    "table": {"uid": "t", "table": [["", "2019"], ["Sales", "5"]]},
                    "paragraphs": [{"uid": "p", "text": "In millions."}],
                    "questions": [{"uid": "q", "question": "Sales?", "answer": ["5"], "scale": "million"}],
                }
            ]
        ),
        1,
    ),
    "finqa": (
        "grounded",
        json.dumps(
            [
                {
                    "id": "f",
                    "pre_text": ["Before the table."],
                    "post_text": ["."],
                    "table": [["a", "1"]],
                    "qa": {"question": "a?", "answer": "1"},
                }
            ]
        ),
        1,
    ),
    "fpb": ("classify", "Profit rose @ 5 % .@positive\n", 1),
    "legalbench": ("choice", "index\tanswer\ttext\n0\tYes\tClause one\n1\tNo\tClause two\n", 2),
    "cuad": (
        "grounded",
        json.dumps(
            {
                "data": [
                    {
                        "title": "C",
                        "paragraphs": [
                            {
                                "context": "First.\n\nSecond.",
                                "qas": [
                                    {"id": "1", "question": "Parties?", "answers": [{"text": "First."}]},
                                    {"id": "2", "question": "Cap?", "answers": []},
                                ],
                            }
                        ],
                    }
                ]
            }
        ),
        2,
    ),
    "contractnli": (
        "choice",
        json.dumps(
            {
                "documents": [
                    {
                        "id": 1,
                        "text": "Keep it.",
                        "annotation_sets": [{"annotations": {"nda-1": {"choice": "Entailment"}}}],
                    }
                ],
                "labels": {"nda-1": {"hypothesis": "It is kept."}},
            }
        ),
        1,
    ),
    "lawbench": ("qa", json.dumps([{"instruction": "回答", "question": "问题", "answer": "答案"}]), 1),
    "cmmlu": ("choice", ",Question,A,B,C,D,Answer\n0,问,甲,乙,丙,丁,C\n", 1),
    "mmlu": ("choice", '"What, then?",w,x,y,z,D\n', 1),
}


@pytest.mark.parametrize("name", sorted(FORMATS.keys() - {"jsonl"}))
def test_published_files_become_rows_of_their_task(tmp_path: Path, name: str) -> None:
    task, text, count = PUBLISHED[name]
    path = tmp_path / "file"
    path.write_text(text, encoding="utf-8")
    rows = read_rows(path, name)
    assert len(rows) == count
    for row in rows:
        TASKS[task].check(row)
        assert TASKS[task].question(row)
    assert (
        TASKS[task].expected(rows[0])
        == {
            "pubmedqa": "A",
            "medqa": "B",
            "medmcqa": "D",
            "tatqa": "5 million",
            "finqa": "1",
            "fpb": "positive",
            "legalbench": "B",
            "cuad": "First.",
            "contractnli": "A",
            "lawbench": "答案",
            "cmmlu": "C",
            "mmlu": "D",
        }[name]
    )


def test_a_file_of_another_layout_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text('{"a": 1}')
    with pytest.raises(UserError, match="is not laid out as 'tatqa'"):
        read_rows(path, "tatqa")
    path.write_text("no\n[1]\n{}\n")
    assert [bool(row.get(PROBLEM)) for row in read_rows(path, "jsonl")] == [True, True, False]

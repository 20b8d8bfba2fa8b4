"""Files of items as they are published, as the rows that tasks read. A new format is a function and a line below.

Each reader gives one row an item and leaves checking to the task; a file that is not of its format at all is a
UserError. Field names are those of the data sets' own releases:

    pubmedqa     ori_pqal.json       {pmid: {QUESTION, CONTEXTS, final_decision, LONG_ANSWER}}        choice
    medqa        *.jsonl             {question, options: {A: ...}, answer_idx}                        choice
    medmcqa      *.json, a row a line {id, question, opa..opd, cop (1 to 4), subject_name}            choice
    tatqa        tatqa_dataset_*.json [{table, paragraphs, questions: [{uid, question, answer, ...}]}] grounded
    finqa        test.json           [{id, pre_text, post_text, table, qa: {question, answer}}]       grounded
    fpb          Sentences_*.txt     sentence@label, Latin-1                                          classify
    legalbench   <task>/*.tsv        columns text, answer                                             choice
    cuad         CUADv1.json         SQuAD 2.0 layout                                                 grounded
    contractnli  *.json              {documents: [{text, annotation_sets}], labels}                   choice
    lawbench     *.json              [{instruction, question, answer}]                                qa
    cmmlu        *.csv               header ,Question,A,B,C,D,Answer                                  choice
    mmlu         *.csv               no header: question, four choices, letter                        choice
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from skills.errors import UserError

Raw = dict[str, Any]
PROBLEM = "problem"
"""Key of a row that could not be read: what is wrong with it."""
LONGEST_PASSAGE = 1200
"""Characters of a passage that a long document is cut into, at paragraphs."""


def read_rows(path: Path, layout: str) -> list[Raw]:
    """The rows of a file; one that cannot be read is {"id", "problem"}. Raises UserError for another layout."""
    if not path.is_file():
        raise UserError(f"no file {str(path)!r} of items", subject=path)
    try:
        return list(FORMATS[layout](path))
    except UserError:
        raise
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, csv.Error) as error:
        raise UserError(f"{str(path)!r} is not laid out as {layout!r}: {error!r}", subject=path) from error


def _jsonl(path: Path) -> Iterator[Raw]:
    """Our own rows."""
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            try:
                row: object = json.loads(line)
            except ValueError as error:
                yield {"id": f"line {number}", PROBLEM: f"not valid JSON: {error}"}
                continue
            if isinstance(row, dict):
                yield row
            else:
                yield {"id": f"line {number}", PROBLEM: f"expected a JSON object, got {type(row).__name__}"}


def _whole(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _pubmedqa(path: Path) -> Iterator[Raw]:
    for key, row in _whole(path).items():
        yield {
            "id": key,
            "question": row["QUESTION"],
            "choices": ["yes", "no", "maybe"],
            "answer": row["final_decision"],
            "passages": _listed(key, row["CONTEXTS"]),
        }


def _medqa(path: Path) -> Iterator[Raw]:
    for row in _jsonl(path):
        yield {"question": row["question"], "choices": row["options"], "answer": row["answer_idx"]}


def _medmcqa(path: Path) -> Iterator[Raw]:
    for row in _jsonl(path):
        yield {
            "id": row["id"],
            "question": row["question"],
            "choices": [row["opa"], row["opb"], row["opc"], row["opd"]],
            "answer": int(row["cop"]) - 1,
            "topic": row.get("subject_name"),
        }


def _tatqa(path: Path) -> Iterator[Raw]:
    for context in _whole(path):
        table = context["table"]
        passages = [{"id": table["uid"], "text": _table(table["table"])}]
        passages += [
            {"id": one["uid"], "text": one["text"]} for one in context["paragraphs"] if one["text"].strip()
        ]
        for asked in context["questions"]:
            answer, scale = asked["answer"], asked.get("scale") or ""
            text = ", ".join(map(str, answer)) if isinstance(answer, list) else str(answer)
            yield {
                "id": asked["uid"],
                "question": asked["question"],
                "answer": f"{text} {scale}".strip(),
                "passages": passages,
                "topic": asked.get("answer_type"),
            }


def _finqa(path: Path) -> Iterator[Raw]:
    for row in _whole(path):
        texts = [text for text in [*row["pre_text"], *row["post_text"]] if len(text.strip()) > 1]
        passages = [{"id": "table", "text": _table(row["table"])}, *_listed("text", texts)]
        yield {
            "id": row["id"],
            "question": row["qa"]["question"],
            "answer": str(row["qa"]["answer"]),
            "passages": passages,
        }


def _fpb(path: Path) -> Iterator[Raw]:
    for line in path.read_text(encoding="latin-1").splitlines():
        if line.strip():
            text, _, label = line.rpartition("@")
            yield {"text": text, "label": label.strip()}


def _legalbench(path: Path) -> Iterator[Raw]:
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    choices = sorted({row["answer"] for row in rows})
    for number, row in enumerate(rows):
        yield {
            "id": row.get("index") or str(number),
            "question": row["text"],
            "choices": choices,
            "answer": row["answer"],
        }


def _cuad(path: Path) -> Iterator[Raw]:
    for document in _whole(path)["data"]:
        for paragraph in document["paragraphs"]:
            passages = _listed(document["title"], _cut(paragraph["context"]))
            for asked in paragraph["qas"]:
                answers = list(dict.fromkeys(one["text"] for one in asked["answers"]))
                yield {
                    "id": asked["id"],
                    "question": asked["question"],
                    "answers": answers,
                    "answerable": bool(answers),
                    "passages": passages,
                }


def _contractnli(path: Path) -> Iterator[Raw]:
    whole = _whole(path)
    for document in whole["documents"]:
        passages = _listed(str(document["id"]), _cut(document["text"]))
        for key, found in document["annotation_sets"][0]["annotations"].items():
            yield {
                "id": f"{document['id']}-{key}",
                "question": whole["labels"][key]["hypothesis"],
                "choices": ["Entailment", "Contradiction", "NotMentioned"],
                "answer": found["choice"],
                "passages": passages,
            }


def _lawbench(path: Path) -> Iterator[Raw]:
    for row in _whole(path):
        yield {"question": f"{row['instruction']}\n{row['question']}".strip(), "answer": row["answer"]}


def _cmmlu(path: Path) -> Iterator[Raw]:
    with path.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            choices = {letter: row[letter] for letter in "ABCD"}
            yield {
                "question": row["Question"],
                "choices": choices,
                "answer": row["Answer"],
                "topic": path.stem,
            }


def _mmlu(path: Path) -> Iterator[Raw]:
    with path.open(encoding="utf-8", newline="") as stream:
        for question, *choices, answer in csv.reader(stream):
            yield {"question": question, "choices": choices, "answer": answer, "topic": path.stem}


FORMATS: Mapping[str, Callable[[Path], Iterator[Raw]]] = {
    "jsonl": _jsonl,
    "pubmedqa": _pubmedqa,
    "medqa": _medqa,
    "medmcqa": _medmcqa,
    "tatqa": _tatqa,
    "finqa": _finqa,
    "fpb": _fpb,
    "legalbench": _legalbench,
    "cuad": _cuad,
    "contractnli": _contractnli,
    "lawbench": _lawbench,
    "cmmlu": _cmmlu,
    "mmlu": _mmlu,
}


def _listed(name: str, texts: Sequence[str]) -> list[Raw]:
    return [{"id": f"{name}#{number}", "text": text} for number, text in enumerate(texts)]


def _table(rows: Sequence[Sequence[object]]) -> str:
    """A table as the lines that the store's own tables have."""
    return "\n".join("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows)


def _cut(text: str) -> list[str]:
    """A long document in passages of whole paragraphs, as far as they go."""
    found: list[str] = []
    for paragraph in (line.strip() for line in text.splitlines()):
        if not paragraph:
            continue
        if found and len(found[-1]) + len(paragraph) < LONGEST_PASSAGE:
            found[-1] += f"\n{paragraph}"
        else:
            found.append(paragraph)
    return found

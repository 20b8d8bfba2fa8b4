"""How the shipped router head is made: ``python -m agent.router_head.build --data FOLDER --out RUN``.

FOLDER holds public sets as JSON Lines (``<domain>/<set>.train.jsonl``), which are not part of this project;
CARD.md names them with their licences. Only sets that may be redistributed are read, only their train splits,
and no question that occurs in a dev or test split of the routing sets.

    1. own questions: the packs' route examples and what their notes answer of evidence(_zh).jsonl, out_of_scope.jsonl,
       written.jsonl, and terms.json (each term in two templates that all labels share: how a question is put says
       nothing about who owns it)
    2. the routing set's own rows, then more of the sets it was drawn from
    3. train on these; the threshold is fitted on the routing set's dev rows
    4. train a reader, a classifier, for each language on these rows, from it a context reader on them and on texts in
       context, and from that a set reader on requests (reading.py), for English a second context reader on the
       encoder of both languages, too; they are chosen by dev rows and some kept aside
    5. with all in one folder, fit on the dev rows from which probability a label is relied on

``--keep-readers``: the readers of step 4 stay; context readers are trained on from them, the Chinese one from itself.
``--only head`` makes the head alone, beside the readers that are there, ``--only alone`` readers of questions alone,
``--only context`` context readers, from the readers that are there, ``--only sets`` set readers, from the context
readers that are there; ``--language`` those of one language.
``--install`` puts all into this folder.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from agent.router import (
    CONTEXT_READERS,
    READERS,
    SET_READERS,
    SHIPPED,
    Router,
    fingerprint,
    route_examples,
)
from agent.router_head import reading
from agent.router_head.rows import Row, dev_rows, training_rows
from skills.files import read_json, read_jsonl, write_json, write_jsonl
from skills.learning.classifier import load_classifier
from skills.learning.classify import ClassifyConfig
from skills.learning.classify import train as train_classifier
from skills.learning.route import GENERAL, RouteConfig, fit_certainty, language_of, train
from skills.pack import discover
from skills.retrieval.encoder_files import MULTILINGUAL

LANGUAGES = ("en", "zh")

_ASIDE, _ASIDE_IN_CONTEXT = 400, 8
"""Rows that a reader is not trained on but chosen by: so many alone, and of those in context one in so many."""

_ALONE: Mapping[str, int] = {"en": 3000, "zh": 1200}
"""Rows alone among those in context."""

_PAIRS: Mapping[str, int] = {"en": 1200, "zh": 500}
"""See reading.pairs."""

SECOND = "en.2"
"""Name of the second English context reader."""

_SECOND_SEES = 4000
"""Rows beside the follow-ups that it learns from."""

_SETS: Mapping[str, int] = {"en": 1400, "zh": 500}
"""See reading.made_sets."""

_SAYS_LITTLE = 0.7
"""A follow-up that a reader is not that sure of says nothing by itself."""


def build(data: Path, out: Path, *, keep_readers: bool, install: bool) -> Mapping[str, Any]:
    """Write the rows beside the run, train, and give the metrics on the dev rows."""
    rows, dev = out / "rows.train.jsonl", out / "rows.dev.jsonl"
    metrics = _train_head(data, rows, dev, out)
    head = out / "head"
    shutil.copytree(out / "run" / "best", head, dirs_exist_ok=True)
    readers: dict[str, Mapping[str, Any]] = {}
    for language in LANGUAGES:
        kept = _kept(language) if keep_readers else None
        readers[language] = train_readers(list(read_jsonl(rows)), list(read_jsonl(dev)), language, out, kept)
        shutil.copytree(out / language / "best", head / CONTEXT_READERS / language, dirs_exist_ok=True)
        best = train_set_reader(list(read_jsonl(rows)), language, out, out / language / "best")
        shutil.copytree(best, head / SET_READERS / language, dirs_exist_ok=True)
    second = train_second_reader(list(read_jsonl(rows)), list(read_jsonl(dev)), out, out / "zh" / "best")
    shutil.copytree(second, head / CONTEXT_READERS / SECOND, dirs_exist_ok=True)
    # Chinese questions alone are read no better by one than by the head.
    alone = _kept("en") if keep_readers else out / "en-alone" / "best"
    shutil.copytree(alone, head / READERS / "en", dirs_exist_ok=True)
    return {**metrics, "readers": readers, "certainty": _finished(head, dev, install=install)}


def make_head(data: Path, out: Path, *, install: bool) -> Mapping[str, Any]:
    """Train the head alone, beside the shipped readers."""
    rows, dev = out / "rows.train.jsonl", out / "rows.dev.jsonl"
    metrics = _train_head(data, rows, dev, out)
    head = out / "head"
    for folder in (READERS, CONTEXT_READERS, SET_READERS):
        shutil.copytree(SHIPPED / folder, head / folder)
    shutil.copytree(out / "run" / "best", head, dirs_exist_ok=True)
    return {**metrics, "certainty": _finished(head, dev, install=install)}


def _train_head(data: Path, rows: Path, dev: Path, out: Path) -> Mapping[str, Any]:
    """Write the rows, train in ``out/run``; gives the metrics on the dev rows."""
    write_jsonl(rows, training_rows(data))
    write_jsonl(dev, dev_rows(data))
    packs, _ = discover()
    about = {"examples": {pack.name: fingerprint(route_examples(pack)) for pack in packs}}
    return train(RouteConfig(train=(rows,), dev=(dev,), out=out / "run"), about=about)


def _finished(head: Path, dev: Path, *, install: bool) -> float:
    """Fit from which probability a label is relied on, and put the folder into the package where that is wanted."""
    certainty = _certainty(head, list(read_jsonl(dev)))
    write_json(head / "head.json", {**read_json(head / "head.json"), "certainty": certainty})
    if install:
        shutil.copytree(head, SHIPPED, dirs_exist_ok=True)
    return certainty


def make_readers(data: Path, out: Path, languages: Iterable[str], *, install: bool) -> None:
    """Train readers of questions alone."""
    rows, dev = training_rows(data), dev_rows(data)
    for language in languages:
        best = train_reader(rows, dev, language, out)
        if install:
            shutil.copytree(best, SHIPPED / READERS / language, dirs_exist_ok=True)


def make_context_readers(data: Path, out: Path, languages: Collection[str], *, install: bool) -> None:
    """Train context readers from the shipped readers."""
    rows, dev = training_rows(data), dev_rows(data)
    for language in languages:
        metrics = train_readers(rows, dev, language, out, _kept(language))
        print(json.dumps({language: dict(metrics)}, indent=1))
        if install:
            shutil.copytree(out / language / "best", SHIPPED / CONTEXT_READERS / language, dirs_exist_ok=True)
    if "en" in languages:
        best = train_second_reader(rows, dev, out, SHIPPED / CONTEXT_READERS / "zh")
        if install:
            shutil.copytree(best, SHIPPED / CONTEXT_READERS / SECOND, dirs_exist_ok=True)


def make_set_readers(data: Path, out: Path, languages: Iterable[str], *, install: bool) -> None:
    """Train set readers from the shipped context readers."""
    rows = training_rows(data)
    for language in languages:
        best = train_set_reader(rows, language, out, SHIPPED / CONTEXT_READERS / language)
        if install:
            shutil.copytree(best, SHIPPED / SET_READERS / language, dirs_exist_ok=True)


def _certainty(head: Path, dev: list[Row]) -> float:
    """That of head and reader together, see fit_certainty."""
    router = Router.load(discover()[0], shipped=head)
    right = [router.route(row["text"]).probabilities[row["label"]] for row in dev]
    return round(fit_certainty(np.array(right, dtype=np.float32)), 4)


def _kept(language: str) -> Path:
    """The shipped reader that a context reader goes on from."""
    place = SHIPPED / READERS / language
    return place if place.is_dir() else SHIPPED / CONTEXT_READERS / language


def train_readers(
    rows: list[Row], dev: list[Row], language: str, out: Path, start: Path | None = None
) -> Mapping[str, Any]:
    """Train a language's reader in ``out/<language>-alone``, or ``start`` with one, and from there its context reader
    in ``out/<language>``; gives the latter's metrics."""
    first = start or train_reader(rows, dev, language, out)
    in_place, others, judge = _context_rows(rows, dev, language, first)
    both = [*in_place, *in_place, *others]
    random.Random(7).shuffle(both)
    last = _train(both, judge, out / language, epochs=2, start=first)
    return read_json(last.parent / "metrics.json")


def train_second_reader(rows: list[Row], dev: list[Row], out: Path, start: Path) -> Path:
    """Train, from the Chinese context reader ``start``, whose encoder knows both languages, a second English one in
    ``out/en.2``; gives the folder of the best one. It takes five times as long as the first: it sees a part."""
    in_place, others, judge = _context_rows(rows, dev, "en", _kept("en"))
    random.Random(2).shuffle(others)
    part = [*in_place, *others[:_SECOND_SEES]]
    random.Random(3).shuffle(part)
    return _train(part, judge, out / SECOND, epochs=6, start=start, encoder=MULTILINGUAL)


def _context_rows(
    rows: list[Row], dev: list[Row], language: str, reader: Path
) -> tuple[list[Row], list[Row], list[Row]]:
    """Follow-ups as they were written, the other rows that a context reader learns from, and those it is chosen by.

    ``reader``: of questions alone."""
    aside, alone, own_dev = _of_language(rows, dev, language)
    follow_ups, several = reading.follow_ups(language), reading.several(language)
    for written in (follow_ups, several):
        random.Random(5).shuffle(written)
    kept, chosen = len(follow_ups) // _ASIDE_IN_CONTEXT, len(several) // _ASIDE_IN_CONTEXT
    others = [
        *reading.moved(follow_ups[kept:], alone, language, _neutral(follow_ups, reader)),
        *reading.parts(several[chosen:]),
        *reading.pairs(alone, language, _PAIRS[language]),
        *alone[: _ALONE[language]],
    ]
    judge = [*own_dev, *aside, *reading.in_place(follow_ups[:kept]), *reading.parts(several[:chosen])]
    return list(reading.in_place(follow_ups[kept:])), others, judge


def train_reader(rows: list[Row], dev: list[Row], language: str, out: Path) -> Path:
    """Train a language's reader of questions alone in ``out/<language>-alone``; gives the folder of the best one."""
    aside, alone, own_dev = _of_language(rows, dev, language)
    return _train(_thinned(alone), [*own_dev, *aside], out / f"{language}-alone", epochs=3)


def _of_language(rows: list[Row], dev: list[Row], language: str) -> tuple[list[Row], list[Row], list[Row]]:
    """A language's rows that a reader is not trained on, the others, and its dev rows."""
    alone = [row for row in rows if row["lang"] == language]
    random.Random(3).shuffle(alone)
    return alone[:_ASIDE], alone[_ASIDE:], [row for row in dev if language_of(row["text"]) == language]


def _thinned(rows: list[Row]) -> list[Row]:
    """A reader knows no weights: of rows that count less it sees fewer."""
    chance = random.Random(13)
    return [row for row in rows if chance.random() < row.get("weight", 1.0)]


def train_set_reader(rows: list[Row], language: str, out: Path, start: Path) -> Path:
    """Train, from the context reader ``start``, what says which domains a request asks, in ``out/<language>-sets``;
    gives the folder of the best one."""
    alone = [row for row in rows if row["lang"] == language]
    several, follow_ups = reading.several(language), reading.follow_ups(language)
    for written in (several, follow_ups):
        random.Random(5).shuffle(written)
    chosen, kept = len(several) // _ASIDE_IN_CONTEXT, len(follow_ups) // _ASIDE_IN_CONTEXT
    requests = [
        *reading.sets(several[chosen:]),
        *reading.sets_in_place(several[chosen:], follow_ups[kept:]),
        *reading.made_sets(alone, language, _SETS[language]),
    ]
    random.Random(7).shuffle(requests)
    judge = [*reading.sets(several[:chosen]), *reading.sets_in_place(several[:chosen], follow_ups[:kept])]
    return _train(requests, judge, out / f"{language}-sets", epochs=2, start=start)


def _neutral(follow_ups: list[Row], reader: Path) -> set[str]:
    """The texts that a reader is not sure of without what came before them."""
    texts = [row["text"] for row in follow_ups if row["kind"] == "stays"]
    model = load_classifier(reader)
    shares = model.probabilities(texts)
    return {
        text
        for text, row in zip(texts, shares, strict=True)
        if row.max() < _SAYS_LITTLE or model.labels[int(row.argmax())] == GENERAL
    }


def _train(
    rows: list[Row], dev: list[Row], run: Path, *, epochs: float, start: Path | None = None, encoder: str = ""
) -> Path:
    """Train a classifier in ``run``; gives the folder of the best one."""
    files = {name: run.with_name(f"{run.name}.{name}.jsonl") for name in ("train", "dev")}
    for name, part in (("train", rows), ("dev", dev)):
        write_jsonl(files[name], [{"text": row["text"], "label": row["label"]} for row in part])
    config = ClassifyConfig(
        train=(files["train"],),
        dev=(files["dev"],),
        out=run,
        epochs=epochs,
        evaluations=3,
        patience=3,
        start=start,
        encoder=encoder,
    )
    train_classifier(config)
    return run / "best"


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the shipped router head.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the public sets")
    parser.add_argument("--out", type=Path, required=True, help="folder for rows and run")
    parser.add_argument("--install", action="store_true", help="put the head into the package")
    parser.add_argument(
        "--keep-readers", action="store_true", help="train head, context and set readers only"
    )
    parser.add_argument("--only", choices=("head", "alone", "context", "sets"), help="train these only")
    parser.add_argument("--language", choices=LANGUAGES, action="append", help="with --only; default: all")
    given = parser.parse_args()
    if given.only == "head":
        print(json.dumps(dict(make_head(given.data, given.out, install=given.install)), indent=1))
        return
    if given.only == "alone":
        make_readers(given.data, given.out, given.language or ["en"], install=given.install)
        return
    if given.only:
        make = make_context_readers if given.only == "context" else make_set_readers
        make(given.data, given.out, given.language or LANGUAGES, install=given.install)
        return
    metrics = build(given.data, given.out, keep_readers=given.keep_readers, install=given.install)
    print(json.dumps(dict(metrics), indent=1))


if __name__ == "__main__":
    main()

"""Training rows for the shipped packs from public sets on the user's disk. The sets are not part of this project.

Expected files (JSON Lines, `<folder>/<domain>/<set>.<split>.jsonl`, passages in `<set>.passages.jsonl`):
MedQuAD (CC BY 4.0), PubMedQA (MIT), TAT-QA (CC BY 4.0), CUAD (CC BY 4.0), ContractNLI (CC BY 4.0), the latter two
also as single clauses with their kinds; in Chinese Toyhom's medical dialogues (MIT), LawBench (Apache-2.0),
DISC-Law-Eval (Apache-2.0) over PRC statutes (public domain). Only train splits are turned into training rows, and
only dev splits into dev rows.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

from skills.files import read_jsonl
from skills.learning.clauses import clause_rows
from skills.learning.grounded import Row, from_lead, from_short_answer, from_tables
from skills.learning.mining import mine, mine_passages
from skills.records import Passage
from skills.retrieval.embedder import ENGLISH, TUNED, choose_embedder, load_embedder
from skills.retrieval.encoder_files import MULTILINGUAL
from skills.retrieval.store import PassageStore
from skills.retrieval.text import sentences

DOMAINS = ("medical", "finance", "legal")
SPLITS = ("train", "dev")

_NLI = re.compile(r"Clause: (?P<clause>.*)\nHypothesis: (?P<hypothesis>.*)", re.DOTALL)
_CLAIM = re.compile(r'is it true that "(?P<hypothesis>.*)"', re.IGNORECASE)
_OF_CONTRACT = re.compile(r'In the contract "[^"]*", (?P<rest>.*)', re.DOTALL)
_TIMES = 2
"""So often clauses written for this project are asked about, each time among others: one asks about each kind they are
of, and of rare kinds there are no others."""
_TURNS = (
    (r"\bshall only include\b", "may include more than"),
    (r"^Some (.*?) may survive\b", r"None of the \1 shall survive"),
    (r"\bshall not\b", "may"),
    (r"\bmay\b", "shall not"),
    (r"\bshall\b", "need not"),
)
"""A claim about a contract and what denies it; the first that fits is applied."""


def passages_of(folder: Path, name: str) -> dict[str, Passage]:
    """The passages of a set by id."""
    rows = read_jsonl(folder / f"{name}.passages.jsonl", required=("id", "text"))
    return {
        row["id"]: Passage(row["id"], row["text"], row.get("title", ""), row.get("source", ""))
        for row in rows
    }


def answer_rows(folder: Path, domain: str, split: str) -> Iterator[Row]:
    """Rows for `train answer` of a shipped domain."""
    return {"medical": _medical, "finance": _finance, "legal": _legal}[domain](folder, split)


def _medical(folder: Path, split: str) -> Iterator[Row]:
    for row in read_jsonl(folder / f"medical/medquad_qa.{split}.jsonl"):
        yield from_lead(row["question"], Passage(row["id"], chunks(row["answer"])[0]))


def _finance(folder: Path, split: str) -> Iterator[Row]:
    passages = passages_of(folder, "finance/tatqa_retrieval")
    contexts: set[str] = set()
    for row in read_jsonl(folder / f"finance/tatqa_retrieval.{split}.jsonl"):
        contexts.add(row["context_id"])
        if row["answer_type"] in ("span", "multi-span"):
            made = from_short_answer(row["question"], [passages[name] for name in row["gold"]], row["answer"])
            if made:
                yield made
    if split == "train":
        grids = [
            passage
            for name, passage in passages.items()
            if name.endswith("#table") and name[6:-6] in contexts
        ]
        yield from from_tables(grids, per_table=4, seed=7)


def _legal(folder: Path, split: str) -> Iterator[Row]:
    for name in ("legal/cuad_retrieval", "legal/contractnli_retrieval"):
        passages = passages_of(folder, name)
        agreed = 0
        for row in read_jsonl(folder / f"{name}.{split}.jsonl"):
            if row["answer"] == "see clause":
                continue
            if name == "legal/cuad_retrieval" and row["answer"] == "Yes":
                # CUAD has no clause for a "no": its yeses teach the form, which a quarter of them does as well.
                agreed += 1
                if agreed % 4:
                    continue
            for passage in [passages[gold] for gold in row["gold"]][:2]:
                made = from_short_answer(row["question"], [passage], row["answer"])
                if made:
                    yield made
                    if split == "train" and name == "legal/contractnli_retrieval":
                        yield turned(made)
    for row in read_jsonl(folder / f"legal/contractnli_nli.{split}.jsonl"):
        found = _NLI.match(row["text"])
        if found:
            question = f'Is it true that "{found["hypothesis"].strip()}"'
            answer = "yes" if row["label"] == "entailment" else "no"
            made = from_short_answer(question, [Passage("clause", found["clause"])], answer)
            if made:
                yield made
                if split == "train":
                    yield turned(made)


def turned(row: Row) -> Row:
    """A row about a claim with the claim denied and the answer the other one: four in five claims of the public
    sets are true, and a model that sees those alone learns to say yes."""
    claim = _CLAIM.search(row["question"])
    if claim is None:
        raise ValueError(f"no claim in {row['question']!r}")
    hypothesis = claim["hypothesis"]
    for pattern, denial in _TURNS:
        denied, count = re.subn(pattern, denial, hypothesis, count=1)
        if count:
            break
    else:
        raise ValueError(f"no modal verb in {hypothesis!r}")
    start, end = claim.span("hypothesis")
    answer = "No [1]." if row["answer"].startswith("Yes") else "Yes [1]."
    return {**row, "question": row["question"][:start] + denied + row["question"][end:], "answer": answer}


def chunks(text: str, limit: int = 600) -> list[str]:
    """A text in pieces of whole sentences, at most ``limit`` characters each (a longer sentence is one by itself)."""
    pieces: list[str] = []
    begin = end = 0
    for _, stop in sentences(text):
        if end > begin and stop - begin > limit:
            pieces.append(text[begin:end].strip())
            begin = end
        end = stop
    return [*pieces, text[begin:end].strip()] if end > begin else pieces


_ARTICLE = re.compile(
    r"《(?:中华人民共和国)?([^》]+)》(?:\([^)]*\))?(第[一二三四五六七八九十百千零\d]+条(?:之[一二三四五六七八九十])?)"
)
"""An article of a statute as Chinese answers cite it: law and number."""


def retriever_rows(folder: Path, domain: str, split: str, stores: Path) -> Iterator[dict[str, Any]]:
    """Rows for `train retriever` from the Chinese sets of a domain."""
    for rows, store in _chinese(folder, domain, split, stores):
        yield from mine_passages(rows, store)


def chinese_evidence_rows(folder: Path, domain: str, split: str, stores: Path) -> Iterator[dict[str, Any]]:
    """Rows for `train evidence` from the Chinese sets of a domain."""
    for rows, store in _chinese(folder, domain, split, stores):
        yield from mine(rows, store)


def _chinese(
    folder: Path, domain: str, split: str, stores: Path
) -> Iterator[tuple[list[dict[str, Any]], PassageStore]]:
    """Questions and the store that answers them: patients' questions with doctors' answers, clients' questions and
    those written for this project (``tuned/questions.jsonl``) with articles. Stores as in :func:`evidence_rows`."""
    if domain == "medical":
        rows = list(
            read_jsonl(folder / f"medical/zh_toyhom_qa.{split}.jsonl", required=("question", "answer"))
        )
        answers = [Passage(row["id"], row["answer"]) for row in rows]
        store = _store(stores / f"medical/zh_toyhom_qa.{split}", answers)
        yield [{"question": row["question"], "gold": [row["id"]]} for row in rows], store
    elif domain == "legal":
        name = "legal/zh_statute_retrieval"
        store = _store(stores / name, list(passages_of(folder, name).values()))
        rows = list(read_jsonl(folder / f"{name}.{split}.jsonl", required=("question", "gold")))
        if split == "train":
            rows += _citing(folder, {row["question"] for row in rows})
            written = resources.files("skills.retrieval").joinpath("tuned/questions.jsonl")
            rows += read_jsonl(Path(str(written)), required=("question", "gold"))
        yield rows, store


def _citing(folder: Path, known: set[str]) -> Iterator[dict[str, Any]]:
    """Answered legal questions with the articles their answers cite; none that statutes are tested with."""
    held = {
        row["question"]
        for split in ("dev", "test")
        if (path := folder / f"legal/zh_statute_retrieval.{split}.jsonl").is_file()
        for row in read_jsonl(path, required=("question",))
    }
    for name in ("zh_disclaw_short_answer", "zh_lawbench_consult"):
        for row in read_jsonl(folder / f"legal/{name}.train.jsonl", required=("question", "answer")):
            cited = [f"law-{law}-{number}" for law, number in _ARTICLE.findall(row["answer"])]
            if cited and row["question"] not in held | known:
                yield {"question": row["question"], "gold": cited}


_EVIDENCE = {
    "medical": ("medical/medquad_qa", "medical/pubmedqa_retrieval"),
    "finance": ("finance/tatqa_retrieval",),
    "legal": ("legal/cuad_retrieval", "legal/contractnli_retrieval"),
}


def evidence_rows(folder: Path, domain: str, split: str, stores: Path) -> Iterator[dict[str, Any]]:
    """Rows for `train evidence` from the sets of a domain.

    Hard negatives are searched in stores of the sets' passages; a store is built in ``stores`` unless it is there.
    """
    for name in _EVIDENCE[domain]:
        if name == "medical/medquad_qa":
            questions, passages = _medquad(folder, split)
        else:
            questions = list(read_jsonl(folder / f"{name}.{split}.jsonl", required=("question", "gold")))
            passages = list(passages_of(folder, name).values())
        place = stores / (f"{name}.{split}" if name == "medical/medquad_qa" else name)
        yield from mine(questions, _store(place, passages))
    if domain == "legal" and split == "train":
        yield from _cuad_clauses(folder)
        yield from _nli_clauses(folder)


def _cuad_clauses(folder: Path) -> Iterator[dict[str, Any]]:
    """Clauses of one category each, and those written for this project, under the set's own question about the
    category, if it has one, and those written for it."""
    clauses: dict[str, list[str]] = {}
    for row in read_jsonl(folder / "legal/cuad_clause_type.train.jsonl", required=("text", "label")):
        clauses.setdefault(row["label"], []).append(row["text"])
    own: dict[str, list[str]] = {}
    for row in read_jsonl(_of_this_project("clauses.jsonl"), required=("text", "kinds")):
        for kind in row["kinds"] or ("",):
            own.setdefault(kind, []).append(row["text"])
    asked: dict[str, str] = {}
    for row in read_jsonl(folder / "legal/cuad_retrieval.train.jsonl", required=("question",)):
        if found := _OF_CONTRACT.match(row["question"]):
            asked[row.get("category", "")] = found["rest"]
    questions: dict[str, list[str]] = {}
    for kind, texts in tomllib.loads(_of_this_project("clause_questions.toml").read_text("utf-8")).items():
        # Half of the turns are the set's own wording: it is what the set's questions are put in.
        turns = [turn for text in texts for turn in (text, *([asked[kind]] if kind in asked else []))]
        questions[kind] = [f'In the contract "{{title}}", {text}' for text in turns]
    titles = sorted({passage.title for passage in passages_of(folder, "legal/cuad_retrieval").values()})
    embedder = load_embedder(ENGLISH)
    yield from clause_rows(clauses, questions, titles, embedder)
    for seed in range(_TIMES):
        yield from clause_rows(own, questions, titles, embedder, complete=True, seed=seed)


def _of_this_project(name: str) -> Path:
    return Path(str(resources.files("skills.learning").joinpath(name)))


def _nli_clauses(folder: Path) -> Iterator[dict[str, Any]]:
    """Clauses that support or deny each of the recurring claims about agreements."""
    passages = passages_of(folder, "legal/contractnli_retrieval")
    clauses: dict[str, dict[str, None]] = {}
    for row in read_jsonl(folder / "legal/contractnli_retrieval.train.jsonl", required=("question", "gold")):
        if found := _CLAIM.search(row["question"]):
            own = clauses.setdefault(found["hypothesis"], {})
            own.update(dict.fromkeys(passages[name].text for name in row["gold"]))
    for row in read_jsonl(folder / "legal/contractnli_nli.train.jsonl", required=("text",)):
        if found := _NLI.match(row["text"]):
            clauses.setdefault(found["hypothesis"].strip(), {})[found["clause"].strip()] = None
    questions = {claim: [f'In the agreement "{{title}}": is it true that "{claim}"'] for claim in clauses}
    titles = sorted({passage.title for passage in passages.values()})
    yield from clause_rows(
        {claim: list(own) for claim, own in clauses.items()}, questions, titles, load_embedder(ENGLISH)
    )


def _store(place: Path, passages: list[Passage]) -> PassageStore:
    """The store in ``place``, built unless it is there; of Chinese with the encoder as it was before tuning."""
    if place.is_dir():
        return PassageStore.load(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    name = choose_embedder(passages)
    return PassageStore.build(passages, place, load_embedder(MULTILINGUAL if name == TUNED else name))


def _medquad(folder: Path, split: str) -> tuple[list[dict[str, Any]], list[Passage]]:
    """Questions of a split and their answers in passages: other answers about the same disease are the hard ones."""
    questions: list[dict[str, Any]] = []
    passages: list[Passage] = []
    for row in read_jsonl(folder / f"medical/medquad_qa.{split}.jsonl"):
        texts = enumerate(chunks(row["answer"]))
        parts = [Passage(f"{row['id']}#{n}", text, row["focus"]) for n, text in texts]
        questions.append({"question": row["question"], "gold": [part.id for part in parts]})
        passages += parts
    return questions, passages

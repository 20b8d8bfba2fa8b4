"""Text units: sentences with offsets, index terms, and which script a text is written in.

Knows English and Chinese writing. Knows nothing of passages, indexes or models.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise
from typing import Literal

import Stemmer

from skills.records import Language

Block = Literal["heading", "item", "row", "prose"]

_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_CLOSERS = "\"'\u201d\u2019\u00bb)]}\uff09\u3011\u300d\u300f\u300b"

_TERMINATOR = re.compile(
    rf"[.!?\u2026]+[{re.escape(_CLOSERS)}]*(?=\s|$)|[\u3002\uff01\uff1f\uff1b]+[{re.escape(_CLOSERS)}]*|;"
)
_LONG_CLAUSE = 60
"""Characters from which a Chinese clause ends at a semicolon like a sentence."""
_LINE = re.compile(r"[^\n]+")
_LIST_MARK = re.compile(
    r"\s*(?:[-*+\u2022\u00b7\u25cf\u2013]\s+|#{1,6}\s|\(?(?:\d{1,3}|[a-zA-Z]|[ivx]{1,5})[.)]\s+\S"
    r"|[\uff08(]?[一二三四五六七八九十]{1,3}[)\uff09、.])"
)
_TABLE_ROW = re.compile(r"\s*\|.*\||[^|]*\S\s\|\s.*\S")
_HEADING = re.compile(r"\s*#{1,6}\s")
_ENUMERATOR = re.compile(r"\(?(?:\d+(?:\.\d+)*|[a-zA-Z]|[ivxlIVXL]+)\.")
_AFTER_LOWER_CASE = re.compile(r"\b[a-z]\w*\s+\w\.$")
_INITIAL = re.compile(r"[A-Z]\.")
_NEXT = re.compile(r"\s*(\S{1,20})")
_OPENING = "\"'\u201c\u2018\u00ab([{"
_LOOK_BACK = 40
"""Characters before a full stop that say whether it is one."""
_LAST_WORD = re.compile(r"([A-Za-z][A-Za-z.&]*|\d+)\.$")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Never the end of a sentence, whatever follows.
_OPEN_ABBREVIATIONS = _words(
    "mr mrs ms dr prof rev hon gen col sgt lt capt st vs v cf viz e.g i.e eg ie ca approx al fig figs "
    "eq vol ed eds resp dept univ assn op cit et seq ibid supra para paras"
)
# Not the end when a number follows: "No. 5", "Sec. 4".
_NUMBERED_ABBREVIATIONS = _words(
    "no nos sec secs art arts ch pt pp p reg regs cl sch app ex exh jan feb mar apr jun jul aug sep "
    "sept oct nov dec"
)
# The end only when a word follows that usually opens a sentence: "Acme Inc. The ...".
_DOUBTFUL_ABBREVIATIONS = _words(
    "inc corp ltd co llc plc etc jr sr bros u.s u.k u.n e.u d.c a.m p.m ph.d m.d b.a m.a s.a n.v"
)
_OPENERS = _words(
    "the this that these those a an in on at it its we our you your he she they their if when where "
    "while as for from to by with there however although because since after before during under upon "
    "each all any no some most many such both what which who how why is are do does can may must please"
)

_STEMMER = Stemmer.Stemmer("english")
_TOKEN = re.compile(rf"[{_HAN}]+|\d+(?:[.,]\d+)*|[^\W\d_{_HAN}]+(?:['\u2019][^\W\d_{_HAN}]+)?")
_HAN_CHARACTER = re.compile(f"[{_HAN}]")
_LATIN_WORD = re.compile(rf"[^\W\d_{_HAN}]+")

STOP_WORDS = _words(
    "a an the and or but if then than so of in on at to from by for with without about into over under "
    "between is are was were be been being am do does did doing have has had having will would shall "
    "should can could may might must not no nor it its this that these those there here he she they "
    "them their we our us you your i me my his her him who whom which what when where why how as such "
    "same own too very just also any some all each both more most other "
    "的 了 是 在 和 与 及 或 等 有 吗 呢 吧 啊 呀 么 什么 怎么 怎样 如何 "
    "请问 我 你 您 他 她 它 我们 你们 这 那 个 就 也 都 还 要 会 能 可以 "
    "应该 被 把 让 对 为 以 于 之 其 该"
)


def _ends_sentence(text: str, start: int, stop: int, end: int) -> bool:
    """Whether the terminator that closes ``text[start:stop]`` ends a sentence of the block ``text[:end]``."""
    following = _NEXT.match(text, stop, end)
    if following is None:
        return True
    first = following[1][0]
    # Nothing that decides is longer than this; the whole of a long text would be copied again and again.
    body = text[max(start, stop - _LOOK_BACK) : stop].rstrip(_CLOSERS)
    match body[-1:]:
        case ";" | "\uff1b":
            # What follows leans on what stands before, unless that is long: "under a year one month; over, two".
            chinese = _HAN_CHARACTER.search(text, max(start, stop - 2), stop + 1) is not None
            return chinese and stop - start >= _LONG_CLAUSE
        case "\u3002" | "\uff01" | "\uff1f":
            return True
        case ".":
            pass
        case _:
            return not first.islower()
    if first.islower() or first in ",;:)":
        return False
    if stop - start < _LOOK_BACK and _ENUMERATOR.fullmatch(body.strip()):
        return False
    found = _LAST_WORD.search(body)
    if found is None:
        return True
    word = found[1].lower()
    if word in _OPEN_ABBREVIATIONS:
        return False
    if word in _NUMBERED_ABBREVIATIONS and first.isdigit():
        return False
    # "John B. Smith" and "the U. S.", but "hepatitis B. Treatment": an initial follows a name or stands first.
    letter = len(found[1]) == 1 and found[1].isupper()
    if letter and _INITIAL.match(following[1]):
        return False
    if word in _DOUBTFUL_ABBREVIATIONS or (letter and not _AFTER_LOWER_CASE.search(body)):
        return following[1].strip(_OPENING).lower() in _OPENERS
    return True


def blocks(text: str) -> list[tuple[Block, int, int]]:
    """Kind and span of lines that belong together.

    Wrapped prose is one block, and so is a list item with the lines it goes on in; a table row or a heading is alone.
    """
    found: list[tuple[Block, int, int]] = []
    previous_end, closed = 0, True
    for line in _LINE.finditer(text):
        content = line[0]
        if not content.strip():
            continue
        row = _TABLE_ROW.match(content) is not None
        heading = _HEADING.match(content) is not None
        near = text.count("\n", previous_end, line.start()) == 1
        item = _LIST_MARK.match(content) is not None
        if closed or row or not near or item:
            kind: Block = "row" if row else "heading" if heading else "item" if item else "prose"
            found.append((kind, *line.span()))
        else:
            found[-1] = (found[-1][0], found[-1][1], line.end())
        previous_end, closed = line.end(), row or heading
    return found


def sentences(text: str) -> list[tuple[int, int]]:
    """Split into sentences: character offsets [start, end), in order, not overlapping.

    Every character that is not white space lies in exactly one span, and no span begins or ends with white
    space. A table row (``a | b | c``), a list line and a heading are units; long sentences stay whole.
    """
    spans: list[tuple[int, int]] = []

    def add(start: int, end: int) -> None:
        piece = text[start:end]
        left = start + len(piece) - len(piece.lstrip())
        right = start + len(piece.rstrip())
        if left < right:
            spans.append((left, right))

    for kind, begin, end in blocks(text):
        start = begin
        if kind != "row":
            for mark in _TERMINATOR.finditer(text, begin, end):
                if mark.end() > start and _ends_sentence(text, start, mark.end(), end):
                    add(start, mark.end())
                    start = mark.end()
        add(start, end)
    return spans


def has_chinese(text: str) -> bool:
    """Whether a Han character is in a text."""
    return _HAN_CHARACTER.search(text) is not None


def mostly_chinese(texts: Iterable[str]) -> bool:
    """Whether at least a fifth of the texts is Chinese, so that a model that reads it is needed."""
    found = [is_chinese(text) for text in texts]
    return sum(found) * 5 >= len(found) > 0


def is_chinese(text: str) -> bool:
    """Whether a text is mostly Chinese: a Han character counts like one Latin word."""
    han = len(_HAN_CHARACTER.findall(text))
    return han > 0.4 * (han + len(_LATIN_WORD.findall(text)))


def says_chinese(language: Language, question: str) -> bool:
    """Whether what is said about a question is said in Chinese; auto: in the question's language."""
    return language == "zh" or (language == "auto" and is_chinese(question))


@lru_cache(maxsize=65536)
def _stem(word: str) -> str:
    return _STEMMER.stemWord(word)


def _han_words(run: str) -> list[str]:
    import rjieba  # reads its dictionary when it is imported, which English texts need not wait for

    words: list[str] = rjieba.cut_for_search(run)
    return [word for word in words if word not in STOP_WORDS]


def _tokens(text: str) -> list[str]:
    """Runs of Han characters, numbers and words, NFKC-folded and lower case."""
    return _TOKEN.findall(unicodedata.normalize("NFKC", text).lower())


def words(text: str) -> list[str]:
    """Index words in order, with repeats: stemmed English words, numbers without commas, Chinese words by
    dictionary. Stop words are left out; case and character width are folded."""
    found: list[str] = []
    for token in _tokens(text):
        if _HAN_CHARACTER.match(token):
            found += _han_words(token)
        elif token[0].isdigit():
            found.append(token.replace(",", ""))
        else:
            word = token.partition("'")[0].partition("\u2019")[0]
            if word and word not in STOP_WORDS:
                found.append(_stem(word))
    return found


def han_pairs(text: str) -> list[str]:
    """Neighbouring Han characters, in order: they match where the dictionary cuts two texts differently."""
    runs = [token for token in _tokens(text) if _HAN_CHARACTER.match(token)]
    return [run[at : at + 2] for run in runs for at in range(len(run) - 1)]


def terms(text: str) -> list[str]:
    """What a text is indexed by: its words, and the Han character pairs that are not words already."""
    found = words(text)
    known = STOP_WORDS.union(found)
    return found + [pair for pair in han_pairs(text) if pair not in known]


def word_pairs(text: str) -> list[tuple[str, str]]:
    """Neighbouring index words: a weak form of phrase."""
    return list(pairwise(words(text)))


def pair_term(first: str, second: str) -> str:
    """Two words as one index term; no word has a space."""
    return f"{first} {second}"

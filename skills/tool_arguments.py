"""Arguments of a tool, read out of a text by the patterns of ``tools.toml``: numbers, signs, lists, words.

Knows patterns and the types of parameters; not tools, questions or replies. Texts come in one line, with their
quantities in digits (see numerals).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast, get_args, get_origin

from skills.pack import ArgumentPattern, ToolPattern

_BARE_NUMBER = re.compile(
    r"^[\s$€£¥]*(?:(?:it(?:'s| is)|about|around|大约|约)\s*)*(-?\d[\d,]*(?:\.\d+)?)\s*[.。!]?\s*$", re.I
)
_NUMBER = re.compile(r"-?\d{1,3}(?:,\d{3})+(?:\.\d+)?|-?\d+(?:\.\d+)?")
_CHINESE_DIGITS = str.maketrans(
    dict(zip("零〇一二两三四五六七八九", "001223456789", strict=True)) | {"半": "0.5"}
)
"""The 七五 of 一米七五 and the 半 of 一年半 have no unit after them, so they are still in words."""
_POWERS = {
    "百": 1e2,
    "千": 1e3,
    "万": 1e4,
    "百万": 1e6,
    "千万": 1e7,
    "亿": 1e8,
    "k": 1e3,
    "m": 1e6,
    "mm": 1e6,
    "mil": 1e6,
    "b": 1e9,
    "bn": 1e9,
    "lakh": 1e5,
    "crore": 1e7,
}
"""Words that multiply a number (group ``times``). English words are already in digits, see numerals."""
_MINUS = re.compile(
    r"(?:(?:^|[\s(（:：=,，、])[-−][$€£¥]?|[$€£¥][-−]"
    r"|(?:^|\b(?:a|of|is|at|to|from|for|by|and)\s+|[:=]\s*)(?:minus|negative)\s+[$€£¥]?|负)$",
    re.IGNORECASE,
)
"""Ends before a number that is below zero. A range ("70 -80") and a dash ("5-year") are none."""
_ORDINAL = re.compile(r"(?:\byear|第)\s*\d+", re.IGNORECASE)
_LISTED = re.compile(
    rf"({_NUMBER.pattern})\s*({'|'.join(sorted(_POWERS, key=len, reverse=True))})?(?![a-z])", re.I
)


def arguments_in(text: str, pattern: ToolPattern, kinds: Mapping[str, Any]) -> dict[str, object]:
    """Arguments by name; one number of the text serves one argument. ``kinds``: types of the parameters, by name."""
    taken: list[tuple[int, int]] = []
    found: dict[str, object] = {}
    for key, argument in pattern.arguments.items():
        for way in argument.patterns:
            if (value := _first(text, way, kinds[key], taken)) is not None:
                found[key] = value
                break
    return found


def bare_number(text: str, kind: Any) -> object | None:
    """The number that is all of a text ("about 80"), as a parameter's type; None: it is something else."""
    found = _BARE_NUMBER.match(text)
    return _read(found.group(1), kind, 1.0) if found else None


def _first(text: str, pattern: ArgumentPattern, kind: Any, taken: list[tuple[int, int]]) -> object | None:
    """The first value that the pattern finds outside of the places ``taken``, which its own are added to."""
    for match in re.finditer(pattern.regex, text, re.IGNORECASE):
        if pattern.value is not None:
            return _read(pattern.value, kind, pattern.scale)
        groups = {group: found for group, found in match.groupdict().items() if found is not None}
        spans = [match.span(group) for group in ("value", "add", "minus", "count") if group in groups]
        spans = spans or [match.span()]
        if any(
            start < other_end and other_start < end
            for start, end in spans
            for other_start, other_end in taken
        ):
            continue
        scale = pattern.scale * _POWERS.get(groups.get("times", "").lower(), 1.0)
        value = _read(groups.get("value", match[0]), kind, scale)
        if isinstance(value, int | float):
            if "value" in groups and not pattern.reads_sign and _is_negative(text, match.start("value")):
                value = -value
            added = _number(groups.get("add", "0")) or 0.0
            less = _number(groups.get("minus", "0")) or 0.0
            value = value + added * pattern.add_scale - less * scale if added or less else value
        elif isinstance(value, list) and "count" in groups:
            value = cast(list[float], value) * int(groups["count"])
        if value is not None:
            taken += spans
            return value
    return None


def _read(text: str, kind: Any, scale: float) -> object | None:
    """The text as the parameter's type; None where it is not a number and should be one."""
    if _is_list(kind):
        return _listed(text, scale) or None
    if not _is_number(kind):
        return text.strip()
    number = _number(text)
    if number is None:
        return None
    number *= scale
    return int(number) if number.is_integer() and not _has(kind, float) else number


def _is_negative(text: str, start: int) -> bool:
    """Whether the number that starts there is below zero: patterns leave its sign out."""
    before = text[:start]
    sign = _MINUS.search(before)
    return sign is not None and not before[: sign.start()].rstrip()[-1:].isdigit()


def _number(text: str) -> float | None:
    try:
        return float(text.translate(_CHINESE_DIGITS).replace(",", "").replace(" ", ""))
    except ValueError:
        return None


def _listed(text: str, scale: float) -> list[float]:
    """The numbers of a list. A power of ten after the last one counts for all: "20、25、28万"."""
    found = _LISTED.findall(_ORDINAL.sub(" ", text))
    last = found[-1][1] if found else ""
    return [
        float(number.replace(",", "")) * scale * _POWERS.get((power or last).lower(), 1.0)
        for number, power in found
    ]


def _kinds(annotation: Any) -> tuple[Any, ...]:
    """The alternatives of a union (``float | None``), or the type itself."""
    origin = get_origin(annotation)
    if origin is None or origin in (list, tuple, Sequence) or str(origin) == "typing.Literal":
        return (annotation,)
    return get_args(annotation)


def _has(annotation: Any, kind: type) -> bool:
    return kind in _kinds(annotation)


def _is_number(annotation: Any) -> bool:
    return _has(annotation, float) or _has(annotation, int)


def _is_list(annotation: Any) -> bool:
    return any((get_origin(kind) or kind) in (list, tuple, Sequence) for kind in _kinds(annotation))

"""The plots of a report as inline SVG: no script, no network; colours are variables of the page.

Every shape has its figure in a <title>. Knows figures, not where on the page a plot stands.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Mapping, Sequence

from markupsafe import Markup, escape

from agent.evaluation.report.tables import STATUSES, interval, number
from agent.evaluation.run_files import Curves, Figure, Resources

Point = tuple[float, float]

_WIDTH = 460
_LABEL = 132
"""Width kept for names of configurations."""
_ROW = 26
COLOURS = 8
"""Colours of configurations that the page has: variables --c0 to --c7."""


def colour(place: int) -> str:
    return f"var(--c{place % COLOURS})"


def _svg(width: float, height: float, label: str, parts: Sequence[str]) -> Markup:
    return Markup(  # noqa: S704  all text in it went through escape
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )


def _text(x: float, y: float, text: str, *, anchor: str = "start", extra: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {extra}>{escape(text)}</text>'


def _line(a: Point, b: Point, style: str) -> str:
    return f'<line x1="{a[0]:.1f}" y1="{a[1]:.1f}" x2="{b[0]:.1f}" y2="{b[1]:.1f}" {style}/>'


def _titled(shape: str, title: str) -> str:
    """A shape (``<rect .../>``) with a title."""
    name = shape[1:].split(maxsplit=1)[0]
    return f"{shape.removesuffix('/>')}><title>{escape(title)}</title></{name}>"


def _fitting(text: str, cells: int) -> str:
    """As much of a name as has room; a Chinese character is two cells wide."""
    width = 0
    for place, character in enumerate(text):
        width += 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if width > cells:
            return f"{text[: max(1, place - 1)]}…"
    return text


def _name(text: str, y: float) -> str:
    return (
        f"<g>{_text(_LABEL - 10, y + 4, _fitting(text, 19), anchor='end')}<title>{escape(text)}</title></g>"
    )


def _ticks(low: float, high: float) -> list[float]:
    """Round values from ``low`` to ``high``, at most six."""
    span = high - low
    if span <= 0:
        return [low]
    power = 10.0 ** math.floor(math.log10(span / 5))
    step = next(power * times for times in (1, 2, 5, 10) if span / (power * times) <= 5 + 1e-9)
    first = math.ceil(low / step - 1e-9)
    return [place * step for place in range(first, math.floor(high / step + 1e-9) + 1)]


def _tick(value: float) -> str:
    return f"{value:,.6g}" if value else "0"


# ------------------------------------------------------------------ rows: one a configuration


def intervals(title: str, rows: Sequence[tuple[str, Figure, int]]) -> Markup:
    """Values with their intervals. rows: (configuration, figure, place of its colour)."""
    known = [(name, one, place) for name, one, place in rows if one.value is not None]
    ends = [end for _, one, _ in known for end in (one.value, one.low, one.high) if end is not None]
    low, high = min(0.0, *ends), max(ends)
    high = 1.0 if low >= 0 and 0.5 < high <= 1 else high or 1.0

    def x(value: float) -> float:
        return _LABEL + (value - low) / (high - low) * (_WIDTH - _LABEL - 56)

    height = _ROW * len(known) + 26
    parts = [_scale(low, high, x, height)]
    for row, (name, one, place) in enumerate(known):
        y = _ROW * row + 15.0
        value = one.value or 0.0
        parts.append(_name(name, y))
        if one.low is not None and one.high is not None:
            parts.append(
                _line((x(one.low), y), (x(one.high), y), f'stroke="{colour(place)}" stroke-width="2"')
            )
        told = f"{name}: {number(one.value)} ({interval(one.low, one.high)}), n {one.n}"
        parts.append(
            _titled(f'<circle cx="{x(value):.1f}" cy="{y:.1f}" r="5" fill="{colour(place)}"/>', told)
        )
        parts.append(_text(_WIDTH, y + 4, number(one.value), anchor="end", extra='class="figure"'))
    return _svg(_WIDTH, height, title, parts)


def _scale(low: float, high: float, x: Callable[[float], float], height: float) -> str:
    """Grid lines and figures of a horizontal axis."""
    marks = [
        _line((x(value), 4), (x(value), height - 20), 'class="grid"')
        + _text(x(value), height - 5, _tick(value), anchor="middle")
        for value in _ticks(low, high)
    ]
    return "".join(marks)


def outcomes(title: str, counts: Mapping[str, Mapping[str, int]]) -> Markup:
    """Shares of answered, clarify, declined and failed, a bar for each configuration."""
    parts: list[str] = []
    inner = _WIDTH - _LABEL
    for row, (config, own) in enumerate(counts.items()):
        y, start = _ROW * row + 3.0, 0.0
        parts.append(_name(config, y + 9))
        total = sum(own.get(status, 0) for status in STATUSES) or 1
        for status in STATUSES:
            share = own.get(status, 0) / total
            if share:
                shape = (
                    f'<rect x="{_LABEL + start * inner:.1f}" y="{y:.1f}" width="{max(share * inner - 2, 1):.1f}" '
                    f'height="18" rx="2" class="s-{status}"/>'
                )
                parts.append(_titled(shape, f"{config}: {own[status]} {status} ({share:.0%})"))
                start += share
    return _svg(_WIDTH, _ROW * len(counts) + 2, title, parts)


def latency(title: str, rows: Mapping[str, tuple[Resources, int]]) -> Markup:
    """Median as a bar, the 95th percentile as a mark. rows: by configuration, with the place of its colour."""
    known = {name: (one.latency_ms, place) for name, (one, place) in rows.items() if one.latency_ms}
    most = (
        max((value or 0.0 for one, _ in known.values() for value in (one.p50, one.p95)), default=0.0) or 1.0
    )

    def x(value: float) -> float:
        return _LABEL + value / most * (_WIDTH - _LABEL - 20)

    height = _ROW * len(known) + 26
    parts = [_scale(0, most, x, height)]
    for row, (name, (one, place)) in enumerate(known.items()):
        y, told = (
            _ROW * row + 15.0,
            f"{name}: median {number(one.p50)} ms, 95th percentile {number(one.p95)} ms",
        )
        parts.append(_name(name, y))
        if one.p50 is not None:
            width = max(x(one.p50) - _LABEL, 1)
            bar = f'<rect x="{_LABEL}" y="{y - 7:.1f}" width="{width:.1f}" height="14" rx="2" fill="{colour(place)}"/>'
            parts.append(_titled(bar, told))
        if one.p50 is not None and one.p95 is not None:
            style = f'stroke="{colour(place)}" stroke-width="2"'
            parts.append(_line((x(one.p50), y), (x(one.p95), y), style))
            parts.append(_line((x(one.p95), y - 6), (x(one.p95), y + 6), style))
    return _svg(_WIDTH, height, title, parts)


# ------------------------------------------------------------------ planes


_PLANE = 230.0
_LEFT, _TOP, _BOTTOM = 52.0, 10.0, 38.0


def _plane(
    width: float, across: str, up: str, most: float
) -> tuple[Callable[[float, float], Point], list[str]]:
    """Axes from 0 to 1 across and 0 to ``most`` up; and where a point stands on them."""
    inner, tall = width - _LEFT - 12, _PLANE - _TOP - _BOTTOM

    def place(x: float, y: float) -> Point:
        return _LEFT + x * inner, _TOP + tall - y / most * tall

    parts: list[str] = []
    for value in _ticks(0, most):
        parts.append(_line(place(0, value), place(1, value), 'class="grid"'))
        parts.append(_text(_LEFT - 6, place(0, value)[1] + 4, _tick(value), anchor="end"))
    for value in (0, 0.5, 1):
        parts.append(_text(place(value, 0)[0], _PLANE - 22, _tick(value), anchor="middle"))
    parts.append(_text(_LEFT + inner / 2, _PLANE - 5, across, anchor="middle", extra='class="axis"'))
    parts.append(
        _text(
            0,
            0,
            up,
            anchor="middle",
            extra=f'class="axis" transform="translate(11 {_TOP + tall / 2:.0f}) rotate(-90)"',
        )
    )
    return place, parts


def risk_coverage(title: str, curves: Mapping[str, tuple[Curves, int]]) -> Markup:
    """Share of wrong answers by share of questions answered, the most confident first (El-Yaniv, Wiener 2010)."""
    highest = max((risk for one, _ in curves.values() for _, risk in one.risk_coverage), default=0.0)
    place, parts = _plane(_WIDTH, "coverage: share answered", "risk: share wrong", _rounded_up(highest))
    # Every other line is dashed and lies on top, so that of two equal ones both are seen.
    for name, (one, hue) in sorted(curves.items(), key=lambda item: item[1][1] % 2):
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in one.risk_coverage))
        if points:
            dashes = ' stroke-dasharray="6 5"' if hue % 2 else ""
            shape = (
                f'<polyline points="{points}" fill="none" stroke="{colour(hue)}" stroke-width="2"{dashes} '
                f'stroke-linejoin="round"/>'
            )
            parts.append(_titled(shape, name))
    return _svg(_WIDTH, _PLANE, title, parts)


def _rounded_up(value: float) -> float:
    return next((end for end in (0.1, 0.2, 0.25, 0.5, 0.75) if value <= end), 1.0)


def reliability(title: str, one: Curves, hue: int) -> Markup:
    """Share that was right by confidence; on the dashed line is well calibrated. A point's area: its items."""
    place, parts = _plane(_PLANE, "confidence", "share right", 1.0)
    parts.append(_line(place(0, 0), place(1, 1), 'class="ideal"'))
    most = max((items for *_, items in one.reliability), default=1.0) or 1.0
    points = [place(_unit(confidence), _unit(right)) for confidence, right, _ in one.reliability]
    joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    parts.append(f'<polyline points="{joined}" fill="none" stroke="{colour(hue)}" stroke-width="2"/>')
    for (confidence, right, items), (x, y) in zip(one.reliability, points, strict=True):
        radius = 3 + 7 * math.sqrt(max(items, 0) / most)
        shape = (
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{colour(hue)}" fill-opacity="0.55"/>'
        )
        parts.append(_titled(shape, f"{items:g} items: {number(right)} right at {number(confidence)}"))
    return _svg(_PLANE, _PLANE, title, parts)


def _unit(value: float) -> float:
    return min(1.0, max(0.0, value))

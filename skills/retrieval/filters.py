"""Filters as a command line gives them, and the dates they compare."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields
from datetime import date

from skills.errors import UserError
from skills.records import Filter

_KEYS = tuple(field.name for field in fields(Filter) if field.name != "as_of")


def day_number(text: str) -> int:
    """A date as a number that orders like it; YYYY-MM is the first of the month.

    Raises UserError for a text that is no date.
    """
    found = re.fullmatch(r"(\d{4})-(\d{2})(?:-(\d{2}))?", text)
    try:
        if found is not None:
            return date(int(found[1]), int(found[2]), int(found[3] or 1)).toordinal()
    except ValueError:  # the 30th of February
        pass
    raise UserError(f"{text!r} is not a date; expected YYYY-MM-DD or YYYY-MM", subject=text)


def filter_of(where: Sequence[str], as_of: str | None = None) -> Filter | None:
    """The filter of ``--where KEY=VALUE ... --as-of DATE``; None where nothing is asked for.

    Raises UserError for an unknown or repeated key, a term without ``=``, and a text that is no date.
    """
    values: dict[str, str] = {}
    for term in where:
        key, equals, value = term.partition("=")
        if not equals or key not in _KEYS:
            raise UserError(
                f"--where {term!r}: expected KEY=VALUE with one of the keys {', '.join(_KEYS)}", subject=term
            )
        if key in values:
            raise UserError(f"--where: {key!r} is given twice; a passage has only one", subject=term)
        values[key] = value
    if as_of is not None:
        try:
            day_number(as_of)
        except UserError as error:
            raise UserError(f"--as-of {error}", subject=as_of) from error
    return Filter(**values, as_of=as_of) if values or as_of is not None else None

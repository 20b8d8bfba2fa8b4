"""How one user wants to be answered. Each setting changes what comes; the defaults change nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from skills.errors import UserError
from skills.grounding.places import named
from skills.records import Language, Length, Level


def _place(text: str) -> str:
    """A place that the notes' jurisdictions can be compared with."""
    plain = text.strip()
    if plain and not named(plain):
        raise ValueError("expected a country or a state by its name, like California or China")
    return plain


class Style(BaseModel):
    """Personal settings of a user."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    length: Length = "normal"
    """How much is said: one sentence, what the writer makes of it, or with what else the source says on it."""
    language: Language = "auto"
    """Language of what the agent says itself (questions back, refusals); auto: the question's. Sources are quoted as
    they are."""
    level: Level = "any"
    """Of notes that answer as well: the plainer one (lay), or the more technical one (expert)."""
    jurisdiction: Annotated[str, AfterValidator(_place)] = ""
    """Whose law and rates are meant where a question names no place."""
    currency: str = Field(default="", pattern=r"^(?:[A-Z]{3})?$")
    """ISO 4217 code of amounts that are given without one."""


def read_style(values: Mapping[str, Any]) -> Style:
    """Settings from values. Raises UserError naming the first bad one."""
    try:
        return Style(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        known = ", ".join(Style.model_fields)
        raise UserError(
            f"style {name}={first['input']!r}: {first['msg']}; known: {known}", subject=values
        ) from error


def changed(style: Style, assignments: Iterable[str]) -> Style:
    """A style with ``name=value`` assignments put in; an empty value is the default. Raises UserError."""
    values: dict[str, Any] = style.model_dump()
    for assignment in assignments:
        name, equals, value = (part.strip() for part in assignment.partition("="))
        if not equals or not name:
            raise UserError(
                f"{assignment!r}: expected name=value, like length=short; known: {', '.join(Style.model_fields)}"
            )
        if value or name not in Style.model_fields:
            values[name] = value
        else:
            values.pop(name)
    return read_style(values)

"""The JSON schema of an MCP tool's arguments as a pydantic model, so that they are checked and read like a pack's.

What has no counterpart is let through as it is: the server checks its arguments itself.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, create_model

from skills.errors import DataError

_TYPES: Mapping[str, Any] = {"string": str, "integer": int, "number": float, "boolean": bool}
_LIMITS = {
    "minimum": "ge",
    "maximum": "le",
    "exclusiveMinimum": "gt",
    "exclusiveMaximum": "lt",
    "minLength": "min_length",
    "maxLength": "max_length",
}


def arguments_model(name: str, schema: Mapping[str, Any]) -> type[BaseModel]:
    """The model; arguments that it does not know are refused. Raises DataError for names that Python cannot hold."""
    required = set(cast(list[str], schema.get("required", [])))
    fields: dict[str, Any] = {}
    for key, value in cast(dict[str, Any], schema.get("properties", {})).items():
        row = cast(dict[str, Any], value) if isinstance(value, dict) else {}
        kind = _kind(row)
        if key not in required:
            kind |= None
        limits = {
            ours: row[theirs]
            for theirs, ours in _LIMITS.items()
            if theirs in row and row.get("type") in ("string", "integer", "number")
        }
        given: dict[str, Any] = {} if key in required else {"default": None}
        fields[key] = (kind, Field(description=row.get("description"), **limits, **given))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # an argument may be called "schema" or "copy": nobody reads it by name
            return create_model(
                name, __config__=ConfigDict(extra="forbid", protected_namespaces=()), **fields
            )
    except Exception as error:
        raise DataError(f"tool {name!r}: its arguments cannot be used: {error}") from error


def _kind(row: Mapping[str, Any]) -> Any:
    """The Python type of a property."""
    if isinstance(row.get("enum"), list) and all(isinstance(one, str | int) for one in row["enum"]):
        return Literal[tuple(row["enum"])]
    kind = row.get("type")
    if kind == "array":
        return list[_kind(cast(dict[str, Any], row.get("items") or {}))]
    if kind == "object":
        return dict[str, Any]
    return _TYPES.get(kind, Any) if isinstance(kind, str) else Any

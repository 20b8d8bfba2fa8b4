"""The exception tree, grouped by who must act.

    CollegiumError
    ├── UserError            change the input or the command      CLI exit 2, HTTP 4xx
    │   └── ToolInputError   an argument a tool cannot work with  asked back in a conversation
    ├── ModelError           weights, adapters or an engine       CLI exit 1, HTTP 503
    │   ├── ToolFailed       a tool raised or hung                told in the answer, which goes on without it
    │   └── BusyError        too many requests wait               HTTP 503 with Retry-After
    └── DataError            a store, index, pack or session      CLI exit 1, HTTP 500

A message names the thing with ``{name!r}``, says what was expected and gives the next command.
"""

from __future__ import annotations


class CollegiumError(Exception):
    """Base of everything this project raises on purpose. ``subject`` is the offending object, if any."""

    def __init__(self, message: str, *, subject: object = None) -> None:
        super().__init__(message)
        self.subject = subject


class UserError(CollegiumError):
    """The caller has to change the input: unknown domain, malformed row, empty question."""


class ToolInputError(UserError):
    """A tool argument is out of the range for which the tool's formula holds."""


class ModelError(CollegiumError):
    """Weights, an adapter or an engine cannot be used as asked."""


class ToolFailed(ModelError):
    """A tool raised, hung or gave nothing usable. ``subject`` is the tool's name, ``why`` what happened."""

    def __init__(self, tool: str, why: str) -> None:
        super().__init__(f"tool {tool!r} failed: {why}", subject=tool)
        self.why = why


class BusyError(ModelError):
    """As many requests wait as may; the same one can be answered later."""

    def __init__(self, message: str, *, retry_after: int = 1, subject: object = None) -> None:
        super().__init__(message, subject=subject)
        self.retry_after = retry_after
        """Seconds until a place is likely to be free."""


class DataError(CollegiumError):
    """Stored data is missing, damaged or made by an incompatible part."""

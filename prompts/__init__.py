"""Prompt texts and their strict loader. No prompt text lives in code.

A prompt is a file ``<name>.txt`` with ``{variable}`` fields. Rendering with a variable missing or left
over is an error that names it.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path
from string import Formatter


class PromptError(ValueError):
    """A prompt file is missing, or its variables and the ones given differ."""


class Prompt:
    """A text with ``{variable}`` fields. ``{{`` and ``}}`` stand for braces."""

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        self.text = text
        self.variables = frozenset(field for _, field, _, _ in Formatter().parse(text) if field is not None)

    def render(self, **values: str) -> str:
        """Fill the fields in. Raises PromptError naming every missing and every unused variable."""
        missing, unused = self.variables - values.keys(), values.keys() - self.variables
        if missing or unused:
            problems = [f"missing {sorted(missing)}"] * bool(missing) + [f"unused {sorted(unused)}"] * bool(
                unused
            )
            raise PromptError(f"prompt {self.name!r}: variables {' and '.join(problems)}")
        return self.text.format(**values)


def load_file(path: Path) -> Prompt:
    """A prompt from a file of a pack."""
    try:
        return Prompt(path.read_text(encoding="utf-8").strip("\n"), str(path))
    except OSError as error:
        raise PromptError(f"no prompt file {str(path)!r}") from error


@cache
def load(name: str) -> Prompt:
    """A prompt of this package, for example ``load("evidence")`` for ``prompts/evidence.txt``."""
    file = resources.files(__name__).joinpath(f"{name}.txt")
    if not file.is_file():
        raise PromptError(f"no prompt {name!r} in the package 'prompts'")
    return Prompt(file.read_text(encoding="utf-8").strip("\n"), name)

"""Rendering turns with a base model's own chat template, as transformers does, without importing it.

Also the guard that no turn's text can pass for a control token: a document that contains "<|im_end|>" must
not end the user's turn. Templates come with models and are not trusted: they run in jinja's sandbox.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NoReturn, cast

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from skills.errors import ModelError
from skills.llm.engine import ChatTurn


class ChatTemplate:
    """A compiled template."""

    def __init__(self, template: str, *, bos_token: str, eos_token: str) -> None:
        """Raises ModelError when the text is no template."""
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.filters["tojson"] = _tojson
        cast("dict[str, Any]", environment.globals).update(raise_exception=_refuse, strftime_now=_now)
        try:
            self._template = environment.from_string(template)
        except TemplateError as error:
            raise ModelError(f"the base model's chat template is broken: {error}") from error
        self._bos_token, self._eos_token = bos_token, eos_token

    def render(self, turns: Sequence[ChatTurn]) -> str:
        """The prompt up to where the assistant begins. Raises ModelError for turns the template refuses."""
        messages = [{"role": turn.role, "content": turn.text} for turn in turns]
        try:
            return self._template.render(
                messages=messages,
                add_generation_prompt=True,
                enable_thinking=False,
                bos_token=self._bos_token,
                eos_token=self._eos_token,
            )
        except TemplateError as error:
            raise ModelError(f"the base model's chat template refuses these turns: {error}") from error


def plain_turns(turns: Iterable[ChatTurn], control_tokens: Iterable[str]) -> tuple[ChatTurn, ...]:
    """The turns with a space put into every control token that their texts spell out."""
    marks = [mark for mark in control_tokens if len(mark) > 1]
    result: list[ChatTurn] = []
    for turn in turns:
        text = turn.text
        for mark in marks:
            if mark in text:
                text = text.replace(mark, f"{mark[0]} {mark[1:]}")
        result.append(ChatTurn(turn.role, text))
    return tuple(result)


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)


def _now(form: str) -> str:
    return datetime.now().strftime(form)


def _tojson(value: Any, ensure_ascii: bool = False, indent: int | None = None, **options: Any) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, **options)

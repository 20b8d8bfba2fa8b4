"""From a question to a tool call: which calculator is meant, with which arguments, and its result.

    1 pack_tools   plain typed functions of a pack -> LangChain tools with a strict pydantic schema
    2 match        patterns of ``tools.toml`` find the tool and its arguments (see tool_arguments) in a question,
                   without a model
    3 complete     a reply ("80 kg") fills in what a match was missing; recall: what the user told earlier does
    4 call         validate, run (see tool_runs), and report the result as a ToolCall

Knows patterns and tools; not sessions, models, or what is done with a result.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast, get_type_hints

from langchain_core.tools import BaseTool, StructuredTool
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from skills.calculations import asks_for_a_yes, asks_other, wants_number, wants_words
from skills.errors import DataError, ToolInputError
from skills.numerals import in_digits
from skills.pack import Argument, Pack, ToolPattern
from skills.records import ToolCall, ToolMatch
from skills.retrieval.text import has_chinese
from skills.spelling import put_right
from skills.tool_arguments import arguments_in, bare_number
from skills.tool_runs import DEFAULT, LONGEST_RESULT, ToolTerms, run_tool

__all__ = ["LONGEST_RESULT", "ToolCaller", "ToolMatch", "pack_tools"]

LONGEST_QUESTION = 2000
"""Characters of a question for a tool: a longer text is a document, and slow to search."""

_NEW_QUESTION = re.compile(
    r"[?？]|^\s*(?:what|how|why|when|where|who|which|can|could|should|does|do|is|are|may|tell|explain)\b"
    r"|什么|怎么|如何|为什么|是否|吗",
    re.IGNORECASE,
)


def pack_tools(pack: Pack) -> list[BaseTool]:
    """The pack's functions as LangChain tools, in the order of ``TOOLS``.

    The schema refuses unknown arguments. ``metadata`` holds ``source`` (the docstring's ``Source:`` text).
    Raises DataError when a function lacks a docstring or type hints.
    """
    return [_structured(function, f"pack {pack.name!r}") for function in pack.tools()]


def _structured(function: Callable[..., tuple[str, dict[str, Any]]], owner: str) -> BaseTool:
    name = function.__name__
    documentation = inspect.getdoc(function) or ""
    if not documentation:
        raise DataError(f"{owner}: tool {name!r} needs a docstring", subject=function)
    try:
        hints = get_type_hints(function, include_extras=True)
        fields: dict[str, Any] = {
            key: (hints[key], Field() if parameter.default is inspect.Parameter.empty else parameter.default)
            for key, parameter in inspect.signature(function).parameters.items()
        }
        schema = create_model(name, __config__=ConfigDict(extra="forbid"), __doc__=documentation, **fields)
    except Exception as error:
        raise DataError(f"{owner}: tool {name!r}: its parameters need valid type hints: {error!r}") from error
    return StructuredTool.from_function(
        func=function,
        name=name,
        description=documentation.split("\n\n")[0].replace("\n", " "),
        args_schema=schema,
        response_format="content_and_artifact",
        metadata={"source": _source(documentation)},
    )


def _source(documentation: str) -> str:
    """The text after ``Source:``, up to an empty line or the next section."""
    found = re.search(r"^Source:[ \t]*(.*(?:\n(?!\s*\n)(?!\w+:).*)*)", documentation, re.MULTILINE)
    return " ".join(found.group(1).split()) if found else ""


class ToolCaller:
    """Finds and runs the tool a question asks for.

    A tool is considered where one of its triggers matches and none of its ``unless``. Of those wins the one
    with all required arguments in the question, then the one with most arguments found, then the first of
    ``tools.toml``. A tool whose required arguments are all absent, or some of them in a question for a yes, a
    reason or a choice, is only meant if the question asks for a calculation. So is a tool that needs but one
    argument, in a question for a yes. None is meant where the last question wants words (see calculations).
    """

    def __init__(
        self,
        tools: Sequence[BaseTool],
        patterns: Mapping[str, ToolPattern],
        terms: Mapping[str, ToolTerms] | None = None,
        words: Sequence[str] = (),
    ) -> None:
        """``patterns`` and ``terms`` by tool name; a tool without a pattern is called by name only.

        ``words``: put right in a question, where they are misspelled.

        Raises DataError where the patterns name an unknown tool or argument, or miss a required one.
        """
        self.tools = {tool.name: tool for tool in tools}
        self.patterns = dict(patterns)
        self._terms = dict(terms or {})
        self._words = tuple(words)
        for name, pattern in self.patterns.items():
            if name not in self.tools:
                raise DataError(f"tools.toml: no tool {name!r}; tools.py has {sorted(self.tools)}")
            fields = self._fields(name)
            if unknown := pattern.arguments.keys() - fields:
                raise DataError(
                    f"tools.toml: {name!r} has no argument {min(unknown)!r}; it has {sorted(fields)}"
                )
            for key, argument in pattern.arguments.items():
                if argument.part_of and argument.part_of not in pattern.arguments:
                    raise DataError(
                        f"tools.toml: {name!r}: {key!r} is part of {argument.part_of!r}: no such argument"
                    )
            if lacking := set(self.required(name)) - pattern.arguments.keys():
                raise DataError(f"tools.toml: {name!r} needs patterns for its argument {min(lacking)!r}")

    @classmethod
    def for_pack(cls, pack: Pack) -> ToolCaller:
        """The caller of a pack; one without tools if the pack has none or may not run code."""
        tools = pack_tools(pack)
        return cls(tools, pack.tool_patterns if tools else {}, words=pack.tool_words)

    def required(self, name: str) -> tuple[str, ...]:
        """The arguments of a tool that have no default, in order."""
        return tuple(key for key, field in self._fields(name).items() if field.is_required())

    def match(self, question: str) -> ToolMatch | None:
        """The tool a question is for, perhaps with arguments missing; None if it is for none."""
        text = self._plain(question)
        if len(text) > LONGEST_QUESTION:
            return None
        if wants_words(text):
            return None
        number_wanted, yes_wanted = wants_number(text), asks_for_a_yes(text)
        best: tuple[tuple[bool, int], ToolMatch] | None = None
        for name, pattern in self.patterns.items():
            if not _any(pattern.triggers, text) or _any(pattern.unless, text):
                continue
            match = self._matched(name, question, self._find(name, text))
            required = len(self.required(name))
            unclear = len(match.missing) == required or asks_other(text)
            if match.missing and unclear and not number_wanted:
                continue
            if required == 1 and yes_wanted:
                continue
            rank = (not match.missing, len(match.arguments))
            if best is None or rank > best[0]:
                best = rank, match
        return best[1] if best else None

    def complete(
        self, question: str, reply: str, known: Mapping[str, object] | None = None
    ) -> ToolMatch | None:
        """The match of ``question`` with what ``reply`` adds to it; None if the reply is something else.

        ``known``: arguments that earlier replies gave, by name.

        The reply wins over the question, so that a value that was out of range can be put right. A bare
        number stands for the one argument that is missing. A reply that asks something is a new question.
        """
        asked = self.match(question)
        text = self._plain(reply)
        if asked is None or _NEW_QUESTION.search(text) or self.match(reply) is not None:
            return None
        given = {**asked.arguments, **(known or {})}
        wanted = tuple(key for key in asked.missing if key not in given) or tuple(given)
        found = self._find(asked.tool, text)
        if not found.keys() & set(wanted) and len(wanted) == 1:
            value = bare_number(text, self._fields(asked.tool)[wanted[0]].annotation)
            found = {wanted[0]: value} if value is not None else {}
        if not found.keys() & set(wanted):
            return None
        return self._matched(asked.tool, f"{question} {reply}", {**given, **found})

    def recall(
        self, match: ToolMatch, question: str, told: Sequence[str]
    ) -> tuple[ToolMatch, dict[str, int]]:
        """The match with what the user told earlier about arguments that it lacks, and from which of ``told`` each is.

        Only arguments with ``recall`` patterns, from texts where one matches. Texts that disagree give nothing.
        """
        arguments = self.patterns[match.tool].arguments
        said: dict[str, list[tuple[int, dict[str, object]]]] = {}
        for place, text in enumerate(map(self._plain, told)):
            found = self._find(match.tool, text)
            for key in found:
                if key not in match.arguments and _any(arguments[key].recall, text):
                    parts = {name: found[name] for name in found if arguments[name].part_of == key}
                    said.setdefault(key, []).append((place, {key: found[key], **parts}))
        values: dict[str, object] = dict(match.arguments)
        sources: dict[str, int] = {}
        for key, given in said.items():
            if all(value == given[0][1] for _, value in given):
                values |= given[0][1]
                sources[key] = given[0][0]
        return (self._matched(match.tool, question, values), sources) if sources else (match, {})

    def ask(self, match: ToolMatch, chinese: bool) -> str:
        """The question to the user for what a match is missing, in that language."""
        arguments = self.patterns[match.tool].arguments
        return ("" if chinese else " ").join(self._ask(arguments[key], chinese) for key in match.missing)

    def terms(self, name: str) -> ToolTerms:
        """On which terms a tool runs."""
        return self._terms.get(name, DEFAULT)

    def check(self, match: ToolMatch) -> None:
        """Raise ToolInputError for an argument that is missing or that the schema does not allow; run nothing."""
        if match.tool not in self.tools:
            raise DataError(f"no tool {match.tool!r}; known: {sorted(self.tools)}", subject=match)
        if match.missing:
            raise ToolInputError(match.ask, subject=match)
        fields = self._fields(match.tool)
        if unknown := match.arguments.keys() - fields:
            known = ", ".join(fields) or "none"
            raise ToolInputError(
                f"{match.tool} has no argument {min(unknown)!r}; it has: {known}.", subject=match
            )
        schema = cast(type[BaseModel], self.tools[match.tool].get_input_schema())
        try:
            schema.model_validate(dict(match.arguments))
        except ValidationError as error:
            raise ToolInputError(self._range_message(match.tool, error), subject=match) from error

    def call(self, match: ToolMatch) -> ToolCall:
        """Run the tool. Whether it may be run is for the caller to know (see ``terms``).

        Raises ToolInputError for an argument that is missing or that the schema or the formula does not
        allow; ToolFailed, naming the tool, for any other failure inside it.
        """
        self.check(match)
        tool = self.tools[match.tool]
        try:
            text, values = run_tool(tool, match.arguments, self.terms(match.tool).seconds)
        except ValidationError as error:
            raise ToolInputError(self._range_message(match.tool, error), subject=match) from error
        source = str((tool.metadata or {}).get("source", ""))
        return ToolCall(match.tool, dict(match.arguments), text, values, source)

    # ------------------------------------------------------------------ arguments

    def _fields(self, name: str) -> Mapping[str, Any]:
        schema = cast(type[BaseModel], self.tools[name].get_input_schema())
        return schema.model_fields

    def _plain(self, text: str) -> str:
        """The text in one line with its quantities in digits and the words that matter spelled right."""
        return " ".join(put_right(in_digits(text), self._words).split())

    def _matched(self, name: str, question: str, arguments: Mapping[str, object]) -> ToolMatch:
        missing = tuple(key for key in self.required(name) if key not in arguments)
        match = ToolMatch(name, dict(arguments), missing)
        return replace(match, ask=self.ask(match, has_chinese(question)))

    @staticmethod
    def _ask(argument: Argument, chinese: bool) -> str:
        return argument.ask_zh if chinese and argument.ask_zh else argument.ask

    def _find(self, name: str, text: str) -> dict[str, object]:
        kinds = {key: field.annotation for key, field in self._fields(name).items()}
        return arguments_in(text, self.patterns[name], kinds)

    def _range_message(self, name: str, error: ValidationError) -> str:
        """The first problem in words a user can act on."""
        first = error.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else name
        field = self._fields(name).get(key)
        what = (field.description if field is not None else None) or key.replace("_", " ")
        if first["type"] == "missing":
            return f"{what.rstrip('.')}: expected a value for {key!r}."
        given = f"{first['input']:g}" if isinstance(first["input"], float) else repr(first["input"])
        return f"{what.rstrip('.')}: got {given}. {first['msg']}."


def _any(patterns: Sequence[str], text: str) -> bool:
    return any(re.search(pattern, text, re.IGNORECASE) for pattern in patterns)

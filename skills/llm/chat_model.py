"""LangChain's chat model over any engine; the adapter is a bound argument: ``model.bind(adapter="medical")``.

Translates messages and arguments; knows neither weights nor prompts of skills.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, Literal, cast

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.base import LangSmithParams
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import ToolCall
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_json_schema, convert_to_openai_tool
from pydantic import BaseModel, ConfigDict, Field

import prompts
from skills.errors import UserError
from skills.llm.engine import ChatTurn, Engine, GenerationRequest, Piece, Role

_IGNORED = {"ls_structured_output_format", "model", "strict", "stream"}
"""Arguments that LangChain passes along and that change nothing here."""


class CollegiumChatModel(BaseChatModel):
    """A chat model on an ``Engine``.

    The fields are defaults; a call or ``bind`` may give any of adapter, max_tokens, temperature, stop, seed,
    json_schema and priority ("interactive" or "batch"). Raises ModelError for what the engine cannot do,
    UserError for an unknown argument.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, populate_by_name=True)

    engine: Engine
    adapter: str | None = None
    max_tokens: int = Field(default=256, ge=1)
    temperature: float = Field(default=0.0, ge=0.0)
    stop_sequences: tuple[str, ...] = Field(default=(), alias="stop")
    seed: int = 0

    @property
    def _llm_type(self) -> str:
        return "collegium"

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        return {
            "engine": self.engine.name,
            "base": self.engine.base_hash,
            "adapter": self.adapter,
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "stop": self.stop_sequences,
            "seed": self.seed,
        }

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        params["ls_provider"] = "collegium"
        params["ls_model_name"] = str(
            kwargs.get("model") or f"{self.engine.name}:{self.engine.base_hash[:12]}"
        )
        return params

    def _request(self, messages: Sequence[BaseMessage], stop: Sequence[str] | None, given: Mapping[str, Any]):
        """The engine's request, and the tools that were bound."""
        options = {key: value for key, value in given.items() if key not in _IGNORED}
        tools = cast("Sequence[Mapping[str, Any]]", options.pop("tools", ()))
        choice = cast("str | None", options.pop("tool_choice", None))
        turns = tuple(_turn(message) for message in messages)
        if tools:
            options["json_schema"] = _call_schema(tools, choice)
            turns = _with_tools(turns, tools, choice)
        request = GenerationRequest(
            turns,
            adapter=options.pop("adapter", self.adapter),
            max_tokens=options.pop("max_tokens", self.max_tokens),
            temperature=options.pop("temperature", self.temperature),
            stop=tuple(stop if stop is not None else self.stop_sequences),
            seed=options.pop("seed", self.seed),
            json_schema=options.pop("json_schema", None),
            priority=options.pop("priority", "interactive"),
        )
        if options:
            raise UserError(
                f"the chat model does not know {sorted(options)}; known: adapter, json_schema, max_tokens, "
                "priority, seed, stop, temperature, tools, tool_choice",
                subject=options,
            )
        return request, bool(tools)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002 (LangChain's signature)
        **kwargs: Any,
    ) -> ChatResult:
        request, has_tools = self._request(messages, stop, kwargs)
        parts = list(self.engine.stream(request))
        text = "".join(part.text for part in parts)
        message = _parse_call(text) if has_tools else AIMessage(text)
        message.usage_metadata = _usage(parts[-1].prompt_tokens, parts[-1].completion_tokens)
        message.response_metadata = self._told(parts[-1])
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        request, has_tools = self._request(messages, stop, kwargs)
        if has_tools:  # a call is only known when it is whole
            whole = cast(
                AIMessage, self._generate(messages, stop, run_manager, **kwargs).generations[0].message
            )
            yield ChatGenerationChunk(message=AIMessageChunk(**whole.model_dump(exclude={"type"})))
            return
        for piece in self.engine.stream(request):
            message = AIMessageChunk(content=piece.text)
            if piece.finish_reason:
                message.usage_metadata = _usage(piece.prompt_tokens, piece.completion_tokens)
                message.response_metadata = self._told(piece)
                message.chunk_position = "last"
            chunk = ChatGenerationChunk(message=message)
            if run_manager:
                run_manager.on_llm_new_token(piece.text, chunk=chunk)
            yield chunk

    def _told(self, last: Piece) -> dict[str, Any]:
        return {
            "finish_reason": last.finish_reason,
            "model_name": self.engine.name,
            "seconds": last.seconds,
        }

    def fits(self, messages: Sequence[BaseMessage], **given: Any) -> bool:
        """Whether prompt and longest answer fit the engine's context, for a call with these arguments."""
        request, _ = self._request(messages, None, given)
        room = self.engine.context - request.max_tokens
        # No token is shorter than a byte; the frame of a turn takes a few.
        if sum(len(turn.text.encode()) + 32 for turn in request.turns) <= room:
            return True
        return len(self.engine.prompt_tokens(request)) <= room

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The model with tools. Its output is held to their schemas, so a call is always well-formed.

        ``tool_choice``: None or "auto" leaves a plain answer possible; "any", "required" or True asks for a
        call; a tool's name asks for that one.
        """
        functions = [convert_to_openai_tool(tool)["function"] for tool in tools]
        choice = "any" if tool_choice is True or tool_choice == "required" else tool_choice or None
        names = [function["name"] for function in functions]
        if choice not in (None, "auto", "any", *names):
            raise UserError(f"tool_choice {choice!r} is no bound tool; bound: {names}", subject=choice)
        return self.bind(tools=functions, tool_choice=None if choice == "auto" else choice, **kwargs)

    def with_structured_output(
        self,
        schema: dict[str, Any] | type,
        *,
        include_raw: bool = False,
        method: Literal["json_schema", "function_calling", "json_mode"] = "json_schema",  # noqa: ARG002
        strict: bool | None = None,  # noqa: ARG002
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, dict[str, Any] | BaseModel]:
        """The model held to a JSON schema, and its output parsed.

        All methods, strict or not, do the same: constrained decoding.
        """
        if kwargs:
            raise UserError(f"with_structured_output does not know {sorted(kwargs)}", subject=kwargs)
        model = self.bind(json_schema=convert_to_json_schema(schema))
        parser: Runnable[Any, Any] = JsonOutputParser()
        if isinstance(schema, type) and issubclass(schema, BaseModel):
            parser = PydanticOutputParser(pydantic_object=schema)
        if not include_raw:
            return model | parser
        parsed = RunnablePassthrough.assign(parsed=itemgetter("raw") | parser, parsing_error=lambda _: None)
        failed = RunnablePassthrough.assign(parsed=lambda _: None)
        return RunnableMap(raw=model) | parsed.with_fallbacks([failed], exception_key="parsing_error")


def _turn(message: BaseMessage) -> ChatTurn:
    """A LangChain message as a turn. A tool's result comes from the user: small bases know no such role."""
    text = str(message.text)
    if isinstance(message, ToolMessage):
        return ChatTurn("user", f"{message.name or 'tool'}: {text}")
    if isinstance(message, AIMessage) and message.tool_calls:
        return ChatTurn("assistant", json.dumps(_plain(message.tool_calls[0])))
    roles: dict[str, Role] = {"system": "system", "human": "user", "ai": "assistant"}
    if message.type not in roles:
        raise UserError(f"a message of type {message.type!r} cannot be sent to the model", subject=message)
    return ChatTurn(roles[message.type], text)


def _plain(call: ToolCall) -> dict[str, Any]:
    return {"name": call["name"], "arguments": call["args"]}


def _call_schema(tools: Sequence[Mapping[str, Any]], choice: str | None) -> dict[str, Any]:
    """JSON schema of one call of an allowed tool; with no choice made, of a plain answer as well."""

    def closed(properties: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }

    allowed = [tool for tool in tools if choice in (None, "any", tool["name"])]
    forms = [
        closed({"name": {"const": tool["name"]}, "arguments": tool.get("parameters") or {"type": "object"}})
        for tool in allowed
    ]
    if choice is None:
        forms.append(closed({"text": {"type": "string"}}))
    return forms[0] if len(forms) == 1 else {"anyOf": forms}


def _with_tools(
    turns: tuple[ChatTurn, ...], tools: Sequence[Mapping[str, Any]], choice: str | None
) -> tuple[ChatTurn, ...]:
    """The tools' descriptions at the end of the system turn."""
    listed = "\n".join(json.dumps(dict(tool), ensure_ascii=False) for tool in tools)
    otherwise = prompts.load("tool_choice_otherwise").text if choice is None else ""
    text = prompts.load("tool_choice").render(tools=listed, otherwise=otherwise)
    if turns and turns[0].role == "system":
        return (ChatTurn("system", f"{turns[0].text}\n\n{text}"), *turns[1:])
    return (ChatTurn("system", text), *turns)


def _parse_call(text: str) -> AIMessage:
    """The message that a constrained output stands for; an unfinished one is kept as an invalid call."""
    try:
        value = cast("dict[str, Any]", json.loads(text))
    except json.JSONDecodeError as error:
        broken = {"type": "invalid_tool_call", "name": None, "args": text, "id": None, "error": str(error)}
        return AIMessage("", invalid_tool_calls=[broken])
    if "text" in value:
        return AIMessage(str(value["text"]))
    call = ToolCall(name=value["name"], args=value["arguments"], id="call_0", type="tool_call")
    return AIMessage("", tool_calls=[call])


def _usage(prompt: int, completion: int) -> UsageMetadata:
    return UsageMetadata(input_tokens=prompt, output_tokens=completion, total_tokens=prompt + completion)

"""LangChain's face on an engine, with the scripted engine behind it and LangChain's own standard suite."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_tests.unit_tests import ChatModelUnitTests
from pydantic import BaseModel

from skills.errors import ModelError, UserError
from skills.llm.chat_model import CollegiumChatModel
from skills.llm.engine import ChatTurn, GenerationRequest
from skills.llm.scripted import ScriptedEngine


class TestStandard(ChatModelUnitTests):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return CollegiumChatModel

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"engine": ScriptedEngine()}


@tool
def dose(weight_kg: float) -> str:
    """The dose for a body weight."""
    return f"{weight_kg * 15} mg"


class Verdict(BaseModel):
    """An answer and how sure it is."""

    answer: str
    sure: bool


def test_messages_and_arguments_reach_the_engine() -> None:
    engine = ScriptedEngine(["One.", "Two."], adapters=["medical"])
    model = CollegiumChatModel(engine=engine, max_tokens=50, seed=3)
    reply = model.invoke(
        [SystemMessage("be brief"), HumanMessage("first?"), AIMessage("yes"), HumanMessage("so?")]
    )
    assert reply.text == "One."
    assert reply.usage_metadata == {"input_tokens": 5, "output_tokens": 1, "total_tokens": 6}
    assert reply.response_metadata["finish_reason"] == "stop"
    bound = model.bind(
        adapter="medical", max_tokens=7, temperature=0.5, stop=["x"], json_schema={"type": "object"}
    )
    assert bound.invoke("second?").text == "Two."
    turns = (
        ChatTurn("system", "be brief"),
        ChatTurn("user", "first?"),
        ChatTurn("assistant", "yes"),
        ChatTurn("user", "so?"),
    )
    assert engine.requests == [
        GenerationRequest(turns, max_tokens=50, seed=3),
        GenerationRequest(
            (ChatTurn("user", "second?"),),
            adapter="medical",
            max_tokens=7,
            temperature=0.5,
            stop=("x",),
            seed=3,
            json_schema={"type": "object"},
        ),
    ]


def test_a_stream_joins_to_the_reply() -> None:
    model = CollegiumChatModel(engine=ScriptedEngine(["Three small words."]))
    chunks = list(model.stream("?"))
    assert [chunk.text for chunk in chunks if chunk.text] == ["Three", " small", " words."]
    whole = AIMessageChunk(content="")
    for chunk in chunks:
        whole += chunk
    assert whole.text == "Three small words."
    assert whole.usage_metadata is not None
    assert whole.usage_metadata["output_tokens"] == 3
    assert whole.response_metadata["finish_reason"] == "stop"


def test_errors_of_the_engine_and_unknown_arguments_come_through() -> None:
    model = CollegiumChatModel(engine=ScriptedEngine(["never", "used"]))
    with pytest.raises(ModelError, match="no adapter 'legal'"):
        model.bind(adapter="legal").invoke("?")
    with pytest.raises(UserError, match="top_k"):
        model.bind(top_k=3).invoke("?")


def test_tools_are_shown_and_a_call_comes_back_typed() -> None:
    call = {"name": "dose", "arguments": {"weight_kg": 20}}
    engine = ScriptedEngine([json.dumps(call), json.dumps({"text": "none needed"}), json.dumps(call), '{"na'])
    model = CollegiumChatModel(engine=engine)
    forced = model.bind_tools([dose], tool_choice="any")
    reply = forced.invoke([SystemMessage("be brief"), HumanMessage("20 kg?")])
    assert [(c["name"], c["args"]) for c in reply.tool_calls] == [("dose", {"weight_kg": 20})]
    first = engine.requests[0]
    assert first.turns[0].text.startswith("be brief\n")
    assert '"dose"' in first.turns[0].text
    assert first.json_schema is not None
    assert first.json_schema["properties"]["name"] == {"const": "dose"}

    free = model.bind_tools([dose])
    assert free.invoke("hello").text == "none needed"
    assert engine.requests[1].json_schema is not None
    assert len(engine.requests[1].json_schema["anyOf"]) == 2

    streamed = list(
        free.stream(
            [HumanMessage("20 kg?"), reply, ToolMessage("300 mg", name="dose", tool_call_id="call_0")]
        )
    )
    assert streamed[0].tool_calls[0]["name"] == "dose"
    assert [turn.text for turn in engine.requests[2].turns[2:]] == [json.dumps(call), "dose: 300 mg"]
    assert forced.invoke("cut off").invalid_tool_calls[0]["args"] == '{"na'
    with pytest.raises(UserError, match="no bound tool"):
        model.bind_tools([dose], tool_choice="other")
    engine.assert_done()


def test_structured_output_is_parsed() -> None:
    texts = ['{"answer": "yes", "sure": true}'] * 2 + ["not json"]
    engine = ScriptedEngine(texts)
    model = CollegiumChatModel(engine=engine)
    assert model.with_structured_output(Verdict).invoke("?") == Verdict(answer="yes", sure=True)
    assert model.with_structured_output(Verdict.model_json_schema()).invoke("?") == {
        "answer": "yes",
        "sure": True,
    }
    assert set(engine.requests[0].json_schema["properties"]) == {"answer", "sure"}
    raw = model.with_structured_output(Verdict, include_raw=True).invoke("?")
    assert raw["parsed"] is None
    assert raw["parsing_error"] is not None
    assert raw["raw"].text == "not json"

"""Adapters on servers: vLLM's, which come and go while it runs, llama.cpp's, which have numbers, and other names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from langchain_core.tools import tool
from pydantic import BaseModel

from skills import weights
from skills.errors import ModelError
from skills.llm import ChatTurn, Endpoint, GenerationRequest
from skills.llm.chat_model import CollegiumChatModel
from skills.llm.endpoint import Place
from skills.llm.llamacpp import LlamaCppEngine
from skills.llm.remote import RemoteEngine
from skills.pack import discover
from tests.llm.contract import ASK, text_of
from tests.llm.servers import Reply, ScriptedServer, VllmServer, answer, llama_server, models
from tests.llm.test_llamacpp import SCHEMA


def asking(name: str) -> GenerationRequest:
    return replace(ASK, adapter=name)


class TestVllm:
    @pytest.fixture
    def server(self, tiny_adapters: dict[str, Path]) -> Iterator[VllmServer]:
        with VllmServer(tiny_adapters.values()) as server:
            yield server

    def test_modules_are_asked_for_by_their_names(self, server: VllmServer) -> None:
        server.loaded["legal-lora"] = "/adapters/legal"
        engine = RemoteEngine(Endpoint(server.url, adapters={"legal": "legal-lora"}))
        assert server.received == []  # making an engine asks nothing
        assert engine.adapters() == ("legal",)
        assert text_of(engine, asking("legal")) == "legal-lora"
        assert text_of(engine, ASK) == "tiny"
        body = server.asked()[0].body
        assert (body["top_k"], body["repetition_penalty"]) == (-1, 1.0)
        assert body["chat_template_kwargs"] == {"enable_thinking": False}

    def test_folders_are_loaded_once_under_names_of_their_content(
        self, server: VllmServer, tiny_adapters: dict[str, Path]
    ) -> None:
        places: dict[str, Place] = {name: str(folder) for name, folder in tiny_adapters.items()}
        for _ in range(2):  # a second process finds what the first one loaded
            engine = RemoteEngine(Endpoint(server.url, adapters=places))
            names = [text_of(engine, asking(name)) for name in ("red", "blue", "red")]
            assert names[0] == names[2]
            assert {name: server.loaded[name] for name in names} == {
                names[0]: str(tiny_adapters["red"]),
                names[1]: str(tiny_adapters["blue"]),
            }
            assert names[0].startswith("collegium-red-")
        assert len(server.asked("/v1/load_lora_adapter")) == 2

    def test_a_replaced_adapter_is_unloaded(self, server: VllmServer, tiny_adapters: dict[str, Path]) -> None:
        engine = RemoteEngine(Endpoint(server.url), {"a": tiny_adapters["red"]})
        red = text_of(engine, asking("a"))
        engine.add_adapter("a", tiny_adapters["blue"])
        assert text_of(engine, asking("a")) != red
        assert list(server.loaded.values()) == [str(tiny_adapters["blue"])]

    def test_a_server_that_was_started_again_gets_its_adapters_again(
        self, server: VllmServer, tiny_adapters: dict[str, Path]
    ) -> None:
        engine = RemoteEngine(Endpoint(server.url), {"a": tiny_adapters["red"]})
        name = text_of(engine, asking("a"))
        server.loaded.clear()
        with pytest.raises(ModelError, match="does not exist"):
            text_of(engine, asking("a"))
        assert text_of(engine, asking("a")) == name

    def test_what_another_process_has_just_loaded_is_used(
        self, server: VllmServer, tiny_adapters: dict[str, Path]
    ) -> None:
        engine = RemoteEngine(Endpoint(server.url, adapters={"red": str(tiny_adapters["red"])}))
        engine.warm_up()
        other = RemoteEngine(Endpoint(server.url, adapters={"red": str(tiny_adapters["red"])}))
        assert text_of(other, asking("red")) == text_of(engine, asking("red"))

    def test_a_folder_that_the_server_does_not_see_is_told(self, server: VllmServer) -> None:
        engine = RemoteEngine(Endpoint(server.url, adapters={"x": "/nowhere"}))
        with pytest.raises(
            ModelError, match=r"adapter 'x' is not at '/nowhere' .*No adapter found for /nowhere"
        ):
            text_of(engine, asking("x"))
        assert text_of(engine, ASK) == "tiny"

    def test_a_server_that_loads_nothing_at_run_time_is_told_how_to(
        self, tiny_adapters: dict[str, Path]
    ) -> None:
        with VllmServer((), runtime=False) as server:
            engine = RemoteEngine(Endpoint(server.url))
            with pytest.raises(ModelError, match="VLLM_ALLOW_RUNTIME_LORA_UPDATING"):
                engine.add_adapter("red", tiny_adapters["red"])
            assert engine.adapters() == ()


def test_other_servers_have_models_for_adapters() -> None:
    with ScriptedServer(models=[models("base", "ft:law")], chat=[answer("ok")]) as server:
        engine = RemoteEngine(Endpoint(server.url, adapters={"law": "ft:law", "tax": "ft:tax", "one": 1}))
        text_of(engine, asking("law"))
        assert server.asked()[0].body["model"] == "ft:law"
        with pytest.raises(ModelError, match=r"adapter 'tax' is not at 'ft:tax' .*it serves: base, ft:law"):
            text_of(engine, asking("tax"))
        with pytest.raises(ModelError, match="a number is llama"):
            text_of(engine, asking("one"))


def test_a_server_that_lists_nothing_is_believed() -> None:
    with ScriptedServer(chat=[answer("ok")]) as server:
        engine = RemoteEngine(Endpoint(server.url, "base", adapters={"law": "law-model"}))
        text_of(engine, ASK)
        text_of(engine, asking("law"))
        assert [one.body["model"] for one in server.asked()] == ["base", "law-model"]
        with pytest.raises(ModelError, match="models answered 404"):
            RemoteEngine(Endpoint(server.url)).warm_up()


def test_a_model_that_is_not_served_is_told_with_those_that_are() -> None:
    with ScriptedServer(models=[models("one", "two")]) as server:
        with pytest.raises(
            ModelError, match=r"has no model 'three'; it serves: one, two \(COLLEGIUM_REMOTE_MODEL"
        ):
            RemoteEngine(Endpoint(server.url, "three")).warm_up()
        server.set("/v1/models", Reply(b'{"object": "list"}', kind="application/json"))
        with pytest.raises(ModelError, match="expected a reply of the form ModelList"):
            RemoteEngine(Endpoint(server.url)).warm_up()


class TestLlamaCpp:
    def test_it_writes_what_the_engine_in_this_process_writes(
        self, tiny_server: str, tiny_llama_gguf: Path, tiny_adapters: dict[str, Path]
    ) -> None:
        """The base by itself too: llama.cpp applies every adapter that a request does not name."""
        remote = RemoteEngine(Endpoint(tiny_server, adapters={"red": 0, "blue": 1}))
        with closing(LlamaCppEngine(str(tiny_llama_gguf), tiny_adapters, context=256, threads=1)) as local:
            for adapter in (None, "red", "blue"):
                request = replace(ASK, adapter=adapter, max_tokens=30)
                assert list(remote.stream(request))[-1] == list(local.stream(request))[-1]
                assert text_of(remote, request) == text_of(local, request)
                ours, theirs = (engine.next_token_logprobs(request, 5) for engine in (remote, local))
                assert list(ours) == list(theirs)
                assert list(ours.values()) == pytest.approx(list(theirs.values()), abs=1e-4)

    def test_output_is_held_to_a_json_schema(self, tiny_server: str) -> None:
        text = text_of(RemoteEngine(Endpoint(tiny_server)), replace(ASK, json_schema=SCHEMA, max_tokens=100))
        value = json.loads(text)
        assert value["verdict"] in ("yes", "no")
        assert 1 <= value["count"] <= 9

    def test_adapters_have_numbers_and_files(self, tiny_server: str) -> None:
        numbered = RemoteEngine(Endpoint(tiny_server, adapters={"red": 0}))
        file = numbered.server().numbered[0]
        red = text_of(numbered, asking("red"))
        for place in (file, Path(file).name, Path(file).stem):
            assert text_of(RemoteEngine(Endpoint(tiny_server, adapters={"a": place})), asking("a")) == red

    def test_what_it_was_not_started_with_is_told(
        self, tiny_server: str, tiny_adapters: dict[str, Path]
    ) -> None:
        engine = RemoteEngine(Endpoint(tiny_server, adapters={"x": 7}))
        with pytest.raises(ModelError, match=r"adapter 'x' is not at 7 of .*it has: 0 = .*1 = "):
            text_of(engine, asking("x"))
        with pytest.raises(ModelError, match=r"is not at .*it has: 0 = "):
            engine.add_adapter("red", tiny_adapters["red"])

    def test_a_wrong_key_is_told(self, tiny_root: Path, tiny_llama_gguf: Path) -> None:
        with llama_server(tiny_llama_gguf, {}, context=128, key="sesame") as address:
            assert text_of(RemoteEngine(Endpoint(address, key="sesame")), ASK)
            with pytest.raises(ModelError, match=r"answered 401 .*set COLLEGIUM_REMOTE_KEY"):
                text_of(RemoteEngine(Endpoint(address, key="melon")), ASK)


class Verdict(BaseModel):
    """An answer and how sure it is."""

    answer: bool
    certainty: int


@tool
def dose(weight_kg: int) -> str:
    """The dose for a body weight."""
    return f"{weight_kg * 15} mg"


@pytest.mark.weights
class TestDefaultBase:
    @pytest.fixture
    def adapters(self) -> dict[str, Path]:
        return {pack.name: pack.adapter for pack in discover()[0] if pack.adapter is not None}

    @pytest.fixture
    def server(self, weights_home: Path, adapters: dict[str, Path]) -> Iterator[Endpoint]:
        base = weights.ensure(weights.DEFAULT_BASE)
        with llama_server(base, adapters, context=1024) as address:
            numbers: dict[str, Place] = {name: number for number, name in enumerate(adapters)}
            yield Endpoint(address, adapters=numbers)

    def test_it_writes_what_the_engine_in_this_process_writes(
        self, server: Endpoint, adapters: dict[str, Path]
    ) -> None:
        turns = (
            ChatTurn("system", "Answer from the notes."),
            ChatTurn("user", "Notes: The dose is 500 mg twice a day, with meals.\nWhat is the dose?"),
        )
        remote = RemoteEngine(server)
        with closing(LlamaCppEngine(weights.DEFAULT_BASE, adapters, context=1024, threads=1)) as local:
            for adapter in (None, *adapters):
                request = GenerationRequest(turns, adapter=adapter, max_tokens=16)
                assert text_of(remote, request) == text_of(local, request)

    def test_structured_output_and_tools(self, server: Endpoint) -> None:
        model = CollegiumChatModel(engine=RemoteEngine(server), max_tokens=60)
        verdict = model.with_structured_output(Verdict).invoke("Is water wet? Give answer and certainty.")
        assert isinstance(verdict, Verdict)
        called = model.bind_tools([dose], tool_choice="dose").invoke("The dose for 20 kg?")
        assert [call["name"] for call in called.tool_calls] == ["dose"]
        assert isinstance(called.tool_calls[0]["args"]["weight_kg"], int)
        assert model.bind_tools([dose]).invoke("The dose for 20 kg?").invalid_tool_calls == []

    def test_an_agent_answers_through_it(self, server: Endpoint, weights_home: Path) -> None:
        from agent import Agent

        given = [{"id": "handbook", "text": "Metformin is taken with meals. Swallow the tablets whole."}]
        places = json.dumps(dict(server.adapters))
        with Agent.from_settings(engine="remote", remote_url=server.url, remote_adapters=places) as agent:
            answer = agent.ask("How is metformin taken?", domain="medical", passages=given)
        assert answer.status == "answered"
        assert "with meals" in answer.text

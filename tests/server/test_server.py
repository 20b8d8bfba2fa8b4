"""``collegium serve``, started as a user starts it, through OpenAI's own client."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import openai
import pytest
from openai import OpenAI

from agent.events import Answer, Answered, Event
from agent.server.app import PARALLEL, WAITING, create_app, limited
from skills.records import Token

ROOT = Path(__file__).parents[2]


@contextmanager
def serving(module: str, home: Path, **environment: str) -> Iterator[str]:
    """The address of a server in a process of its own."""
    child = subprocess.Popen(
        [sys.executable, "-m", module, "serve", "--port", "0"],
        cwd=ROOT,
        env={**os.environ, "COLLEGIUM_HOME": str(home), **environment},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stderr is not None
        line = child.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert found, line + child.stderr.read()
        yield found.group()
    finally:
        child.terminate()
        child.wait(30)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving("tests.fake_agent", tmp_path_factory.mktemp("server")) as found:
        yield found


def client_of(address: str, key: str = "unused") -> OpenAI:
    return OpenAI(base_url=f"{address}/v1", api_key=key, max_retries=0, timeout=60)


@pytest.fixture
def client(address: str) -> OpenAI:
    return client_of(address)


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def said(client: OpenAI, text: str, **options: object) -> str:
    response = client.chat.completions.create(model="collegium", messages=user(text), **options)  # type: ignore
    return response.choices[0].message.content or ""


def test_an_answer_with_its_citations(client: OpenAI) -> None:
    response = client.chat.completions.create(model="collegium", messages=user("metformin?"))  # type: ignore
    assert response.object == "chat.completion"
    assert response.model == "collegium"
    assert response.choices[0].finish_reason == "stop"
    text = "Metformin often causes nausea and diarrhoea [1]. Asked before: 0."
    assert response.choices[0].message.content == text
    extra = (response.model_extra or {})["collegium"]
    assert extra["status"] == "answered"
    assert extra["domains"] == ["medical"]
    assert extra["citations"][0]["passage_id"] == "metformin#side-effects"


def test_a_stream_gives_the_same_text_and_ends_with_the_details(client: OpenAI) -> None:
    stream = client.chat.completions.create(model="collegium", messages=user("metformin?"), stream=True)  # type: ignore
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text == "Metformin often causes nausea and diarrhoea [1]. Asked before: 0."
    assert len(chunks) > 5
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert (chunks[-1].model_extra or {})["collegium"]["citations"][0]["quote"].startswith("Metformin")
    assert {chunk.id for chunk in chunks} == {chunks[0].id}


def test_a_user_is_remembered_and_others_are_not_mixed_in(client: OpenAI) -> None:
    assert "Asked before: 0." in said(client, "one?", user="ann")
    assert "Asked before: 1." in said(client, "two?", user="ann")
    assert "Asked before: 0." in said(client, "one?", user="bob")
    assert "Asked before: 0." in said(client, "one?")


def test_without_a_user_the_messages_are_the_history(client: OpenAI) -> None:
    messages = [
        {"role": "system", "content": "You are a pirate."},
        {"role": "user", "content": "one?"},
        {"role": "assistant", "content": "yes"},
        {"role": "user", "content": [{"type": "text", "text": "two?"}]},
    ]
    for _ in range(2):
        response = client.chat.completions.create(model="collegium", messages=messages)  # type: ignore
        assert "Asked before: 1." in (response.choices[0].message.content or "")


def test_models_force_their_domain(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [
        "collegium",
        "collegium/medical",
        "collegium/finance",
    ]
    assert client.models.retrieve("collegium/finance").owned_by == "collegium"
    response = client.chat.completions.create(model="collegium/finance", messages=user("metformin?"))  # type: ignore
    assert (response.model_extra or {})["collegium"]["domains"] == ["finance"]
    for unknown in ("gpt-4o", "collegium/astrology", "collegium/"):
        with pytest.raises(openai.NotFoundError, match="unknown model"):
            client.chat.completions.create(model=unknown, messages=user("hi"))  # type: ignore
    with pytest.raises(openai.NotFoundError, match="unknown model"):
        client.models.retrieve("gpt-4o")


def test_keys_that_mean_nothing_here_are_tolerated(client: OpenAI) -> None:
    text = said(
        client,
        "metformin?",
        temperature=0.3,
        top_p=0.5,
        max_tokens=5,
        seed=1,
        stop=["x"],
        tools=[{"type": "function", "function": {"name": "f", "parameters": {}}}],
        extra_body={"top_k": 3, "metadata": {"a": "b"}},
    )
    assert text.startswith("Metformin")


@pytest.mark.parametrize(
    ("messages", "says"),
    [
        ([], "messages"),
        (user(""), "the question is empty"),
        (user("x" * 100_000), "100,000 characters"),
        ([*user("hi"), {"role": "assistant", "content": "there"}], "the last message is by 'assistant'"),
        ([{"role": "wizard", "content": "hi"}], "messages.0.role"),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}],
            "type 'image_url'",
        ),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_bad_requests_are_openai_errors(client: OpenAI, messages: object, says: str, stream: bool) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="collegium", messages=messages, stream=stream)  # type: ignore
    assert says in caught.value.message
    assert caught.value.type == "invalid_request_error"


@pytest.mark.parametrize("stream", [False, True])
def test_failures_have_their_status(client: OpenAI, stream: bool) -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model="collegium", messages=user("crash"), stream=stream)  # type: ignore
    assert caught.value.status_code == 503
    assert "collegium doctor" in caught.value.message
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model="collegium", messages=user("bug"), stream=stream)  # type: ignore
    assert caught.value.status_code == 500
    assert "a bug" not in caught.value.message


def test_bodies_that_are_no_request_and_paths_that_are_not_there(address: str) -> None:
    for body, status in ((b"{", 400), (b"[]", 400)):
        request = urllib.request.Request(
            f"{address}/v1/chat/completions", body, {"Content-Type": "application/json"}
        )
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=60)
        assert caught.value.code == status
        assert json.load(caught.value)["error"]["message"]
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{address}/v1/nothing", timeout=60)
    assert caught.value.code == 404
    assert json.load(caught.value)["error"]["type"] == "invalid_request_error"


def test_a_body_is_refused_by_its_length_before_it_is_read(address: str) -> None:
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
    connection.putrequest("POST", "/v1/chat/completions")
    connection.putheader("Content-Length", str(2**40))
    connection.endheaders()
    with connection.getresponse() as response:
        assert response.status == 413
        assert "over 4,194,304 bytes" in json.load(response)["error"]["message"]
    connection.close()


def test_a_client_that_leaves_does_not_hold_the_server_up(client: OpenAI) -> None:
    """More streams than turns may be under way at a time, each left after its first words."""
    for _ in range(10):
        with client.chat.completions.create(model="collegium", messages=user("slow"), stream=True) as stream:  # type: ignore
            for chunk in stream:
                if chunk.choices[0].delta.content:
                    break
    assert "Asked before" in said(client, "metformin?")


def test_leaving_a_stream_closes_the_events() -> None:
    closed: list[bool] = []

    async def events() -> AsyncIterator[Event]:
        try:
            while True:
                yield Token("word ", "medical")
        finally:
            closed.append(True)

    async def leave_early() -> None:
        stream = limited(asyncio.Semaphore(1), events())
        assert await anext(stream) == Token("word ", "medical")
        await stream.aclose()

    asyncio.run(leave_early())
    assert closed == [True]


def test_health_and_no_cors(address: str) -> None:
    request = urllib.request.Request(f"{address}/healthz", headers={"Origin": "http://evil.example"})
    with urllib.request.urlopen(request, timeout=60) as response:
        assert response.headers["access-control-allow-origin"] is None
        health = json.load(response)
    assert health == {"status": "ok", "version": "0.1.0", "domains": {"medical": "ok", "finance": "ok"}}


def test_a_key_is_asked_for_where_one_is_set(tmp_path: Path) -> None:
    with serving("tests.fake_agent", tmp_path, COLLEGIUM_API_KEY="secret") as address:
        assert said(client_of(address, "secret"), "metformin?").startswith("Metformin")
        with pytest.raises(openai.AuthenticationError, match="API key"):
            said(client_of(address, "wrong"), "metformin?")
        with urllib.request.urlopen(f"{address}/healthz", timeout=60) as response:
            assert json.load(response)["status"] == "ok"


@pytest.mark.weights
def test_the_real_agent_over_http(weights_home: Path) -> None:
    """Default weights, shipped packs: one question through each way of asking."""
    with serving("agent.cli.main", weights_home) as address:
        client = client_of(address)
        assert {"collegium/medical", "collegium/finance", "collegium/legal"} <= {
            model.id for model in client.models.list()
        }
        question = user("What are common side effects of metformin?")
        response = client.chat.completions.create(model="collegium", messages=question)  # type: ignore
        extra = (response.model_extra or {})["collegium"]
        assert extra["status"] == "answered"
        assert extra["domains"] == ["medical"]
        assert extra["citations"]
        stream = client.chat.completions.create(model="collegium/medical", messages=question, stream=True)  # type: ignore
        text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
        assert text == response.choices[0].message.content


def test_a_question_too_many_is_told_when_to_come_back() -> None:
    """Over HTTP, with an agent that is held up until the last question was refused."""

    class Held:
        domains = ()

        def __init__(self) -> None:
            self.free = asyncio.Event()

        async def astream(self, text: str, **_: object) -> AsyncIterator[Event]:
            await self.free.wait()
            yield Answered(Answer("answered", text))

    async def ask_all() -> list[tuple[int, str | None]]:
        agent = Held()
        app = create_app(agent)  # type: ignore[arg-type]
        body = {"model": "collegium", "messages": user("x")}
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            asked = [
                asyncio.create_task(client.post("/v1/chat/completions", json=body))
                for _ in range(PARALLEL + WAITING + 1)
            ]
            await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
            agent.free.set()
            replies = await asyncio.gather(*asked)
        return [(reply.status_code, reply.headers.get("Retry-After")) for reply in replies]

    replies = asyncio.run(ask_all())
    assert sorted(status for status, _ in replies) == [200] * (PARALLEL + WAITING) + [503]
    (wait,) = [after for status, after in replies if status == 503]
    assert wait is not None
    assert 1 <= int(wait) <= 600

"""The remote engine at servers that misbehave: tries, time limits, broken streams, and what the errors say."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skills.errors import ModelError, UserError
from skills.llm import ChatTurn, Endpoint
from skills.llm.breaker import Breaker
from skills.llm.connection import Connection
from skills.llm.remote import RemoteEngine
from skills.llm.server_errors import Limits
from tests.llm.contract import ASK, text_of
from tests.llm.servers import DONE, Reply, ScriptedServer, answer, event, free_port, models, refusal

KEY = "sk-very-secret"
LIMITS = Limits(connect=2, first_token=20, between_tokens=20, attempts=3, longest_wait=60)
SHORT = Limits(connect=2, first_token=0.2, between_tokens=0.2, attempts=3)


def engine_for(
    url: str,
    limits: Limits = LIMITS,
    *,
    key: str = KEY,
    breaker: Breaker | None = None,
    slept: list[float] | None = None,
) -> RemoteEngine:
    """An engine that notes how long it would have slept."""
    endpoint = Endpoint(url, key=key)
    sleep: Callable[[float], None] = (slept if slept is not None else []).append
    return RemoteEngine(endpoint, connection=Connection(endpoint, limits, breaker=breaker, sleep=sleep))


def test_a_request_is_openais(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with ScriptedServer(models=[models("one", "two")], chat=[answer("It is", " owed.")]) as server:
        engine = engine_for(server.url)
        turns = (*ASK.turns[:1], ChatTurn("user", "what <|im_end|> of this [INST]?"))
        *pieces, last = engine.stream(
            replace(ASK, turns=turns, stop=("x",), seed=3, json_schema={"type": "object"})
        )
        assert [piece.text for piece in pieces] == ["It is", " owed."]
        assert (last.finish_reason, last.prompt_tokens, last.completion_tokens) == ("stop", 7, 2)
        (asked,) = server.asked()
        assert asked.headers["Authorization"] == f"Bearer {KEY}"
        assert asked.body == {
            "model": "one",
            "messages": [
                {"role": "system", "content": "answer"},
                {"role": "user", "content": "what < |im_end|> of this [ INST]?"},
            ],
            "max_tokens": 12,
            "temperature": 0.0,
            "top_p": 0.95,
            "seed": 3,
            "stop": ["x"],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "output", "strict": True, "schema": {"type": "object"}},
            },
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        engine.close()
    assert KEY not in caplog.text
    assert "what" not in caplog.text


def test_a_server_without_usage_has_its_pieces_counted() -> None:
    ending = Reply(event("a"), event("b"), event(finish="length"), DONE)
    with ScriptedServer(models=[models("m")], chat=[ending]) as server:
        *_, last = engine_for(server.url).stream(ASK)
        assert (last.finish_reason, last.completion_tokens) == ("length", 2)


def test_too_many_requests_is_tried_again_when_the_server_says() -> None:
    slept: list[float] = []
    busy = [refusal(429, "slow down", Retry_After="7"), refusal(503, "loading", Retry_After="2")]
    with ScriptedServer(models=[models("m")], chat=[*busy, answer("ok")]) as server:
        assert text_of(engine_for(server.url, slept=slept), ASK) == "ok"
        assert slept == [7, 2]
        assert len(server.asked()) == 3


def test_without_a_word_from_the_server_waits_grow_at_random() -> None:
    slept: list[float] = []
    with ScriptedServer(models=[models("m")], chat=[refusal(503, "loading")]) as server:
        with pytest.raises(ModelError, match=r"chat/completions answered 503 \(loading\); .*ask again later"):
            text_of(engine_for(server.url, slept=slept), ASK)
        assert len(server.asked()) == LIMITS.attempts
    assert all(0 <= seconds <= limit for seconds, limit in zip(slept, (0.5, 1), strict=True))


def test_a_server_that_asks_for_too_long_a_wait_is_not_waited_for() -> None:
    with ScriptedServer(models=[models("m")], chat=[refusal(429, "quota", Retry_After="3600")]) as server:
        with pytest.raises(ModelError, match=r"answered 429 \(quota\); it asks to wait 3600 s"):
            text_of(engine_for(server.url), ASK)
        assert len(server.asked()) == 1


@pytest.mark.parametrize(
    ("status", "said", "message"),
    [
        (500, "CUDA error", r"answered 500 \(CUDA error\); see the server's log"),
        (400, "bad field", r"answered 400 \(bad field\); see: collegium doctor"),
        (401, f"wrong key {KEY}", r"answered 401 \(wrong key \.\.\.\); set COLLEGIUM_REMOTE_KEY"),
        (
            404,
            "no model",
            r"answered 404 \(no model\); check COLLEGIUM_REMOTE_URL and COLLEGIUM_REMOTE_MODEL",
        ),
    ],
)
def test_a_refusal_is_told_once_with_what_to_do(status: int, said: str, message: str) -> None:
    with ScriptedServer(models=[models("m")], chat=[refusal(status, said)]) as server:
        with pytest.raises(ModelError, match=message) as caught:
            text_of(engine_for(server.url), ASK)
        assert server.url in str(caught.value)
        assert KEY not in repr(caught.value)
        assert len(server.asked()) == 1


def test_no_server_is_tried_again_and_then_told() -> None:
    slept: list[float] = []
    url = f"http://user:hidden@127.0.0.1:{free_port()}"
    with pytest.raises(ModelError, match=r"127.0.0.1:\d+ cannot be reached: .*refused.*doctor") as caught:
        text_of(engine_for(url, slept=slept), ASK)
    assert "hidden" not in str(caught.value)
    assert len(slept) == LIMITS.attempts - 1


def test_a_drop_before_the_first_token_is_tried_again_and_one_after_it_is_not() -> None:
    empty, role_only, torn = Reply(), Reply(event()), Reply(event("It is"))
    with ScriptedServer(models=[models("m")], chat=[empty, role_only, torn]) as server:
        stream = engine_for(server.url).stream(ASK)
        assert next(stream).text == "It is"
        with pytest.raises(ModelError, match="in the middle of an answer; ask again"):
            next(stream)
        assert len(server.asked()) == 3


def test_a_connection_that_breaks_within_a_length_is_no_answer() -> None:
    torn = Reply(event("It is"), headers={"Content-Length": "5000"})
    with ScriptedServer(models=[models("m")], chat=[torn]) as server:
        stream = engine_for(server.url).stream(ASK)
        assert next(stream).text == "It is"
        with pytest.raises(ModelError, match="was cut off in the middle of an answer"):
            next(stream)


def test_a_slow_first_token_is_given_up_whatever_else_comes() -> None:
    """Headers, comments and a role are no token."""
    release = threading.Event()
    slow = Reply(b": ping\n\n", event(), event("late"), between=lambda: release.wait(20))
    with ScriptedServer(models=[models("m")], chat=[slow]) as server:
        with pytest.raises(ModelError, match=r"gave no token within 0\.2 s"):
            text_of(engine_for(server.url, SHORT), ASK)
        release.set()
        assert len(server.asked()) == 1


def test_a_server_that_does_not_even_send_headers_is_given_up() -> None:
    release = threading.Event()
    silent = Reply(event("late"), before=lambda: release.wait(20))
    with ScriptedServer(models=[models("m")], chat=[silent]) as server:
        with pytest.raises(ModelError, match=r"gave no token within 0\.2 s"):
            text_of(engine_for(server.url, SHORT), ASK)
        release.set()


def test_silence_between_tokens_is_given_up_but_not_a_busy_reader() -> None:
    release, reader = threading.Event(), threading.Event()
    slow = Reply(event("one"), event(" two"), between=lambda: release.wait(20))
    with ScriptedServer(models=[models("m")], chat=[slow, answer("a", "b")]) as server:
        engine = engine_for(server.url, SHORT)
        stream = engine.stream(ASK)
        assert next(stream).text == "one"
        with pytest.raises(ModelError, match=r"sent nothing more for 0\.2 s in the middle"):
            next(stream)
        release.set()
        stream = engine.stream(ASK)
        assert next(stream).text == "a"
        reader.wait(3 * SHORT.between_tokens)  # what the caller does with a token takes as long as it likes
        assert [piece.text for piece in stream] == ["b", ""]


def test_closing_the_stream_ends_the_connection() -> None:
    gone = threading.Event()

    class Endless(Reply):
        def send(self, handler: object) -> None:
            try:
                super().send(handler)  # type: ignore[arg-type]
            except OSError:
                gone.set()
                raise

    with ScriptedServer(models=[models("m")], chat=[Endless(*[event("on and on")] * 200_000)]) as server:
        stream = engine_for(server.url).stream(ASK)
        next(stream)
        stream.close()  # type: ignore[attr-defined]
        assert gone.wait(20)


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Reply(b"data: {not json\n\n"), r"sent an event that is no chat completion chunk: '\{not json'"),
        (Reply(b'data: {"choices": 3}\n\n'), "sent an event that is no chat completion chunk"),
        (
            Reply(b"<html>Sign in</html>", kind="text/html"),
            r"'text/html' \(an HTML page\), expected an event",
        ),
        (Reply(b"<html>Bad</html>", status=502, kind="text/html"), r"answered 502 \(an HTML page\)"),
        (Reply(b'{"x": 1}', kind="application/json"), r"'application/json' .*, expected an event stream"),
        (Reply(b'data: {"error": {"message": "out of memory", "code": 500}}\n\n'), "gave up: out of memory"),
        (Reply(event("x"), b'data: {"error": "worker died"}\n\n'), "gave up: worker died"),
        (
            Reply(b"", status=307, headers={"Location": "http://127.0.0.1:1/v1/chat/completions"}),
            r"answered 307 \(moved to http://127.0.0.1:1/v1/.*set COLLEGIUM_REMOTE_URL",
        ),
    ],
)
def test_what_is_no_chat_completion_is_told(reply: Reply, message: str) -> None:
    with (
        ScriptedServer(models=[models("m")], chat=[reply]) as server,
        pytest.raises(ModelError, match=message),
    ):
        text_of(engine_for(server.url), ASK)


def test_a_stream_may_be_cut_anywhere() -> None:
    """Within a character, a line or an event, with any line ending."""
    with ScriptedServer(models=[models("m")]) as server:
        engine = engine_for(server.url)

        @settings(max_examples=25)
        @given(st.text(min_size=1, max_size=8), st.integers(1, 7), st.sampled_from([b"\n", b"\r\n", b"\r"]))
        def check(text: str, size: int, newline: bytes) -> None:
            text = f"€{text}药"
            whole = (event(text) + event(finish="stop") + DONE).replace(b"\n", newline)
            parts = [whole[place : place + size] for place in range(0, len(whole), size)]
            server.set("/v1/chat/completions", Reply(*parts))
            assert text_of(engine, ASK) == text

        check()


def test_after_failures_in_a_row_a_server_is_left_alone_and_then_tried_once() -> None:
    now = [0.0]
    breaker = Breaker(3, rest=30, clock=lambda: now[0])
    broken, good = refusal(500, "broken"), answer("ok")
    with ScriptedServer(models=[models("m")], chat=[broken, broken, broken, broken, good]) as server:
        engine = engine_for(server.url, breaker=breaker)
        engine.warm_up()
        for _ in range(3):
            with pytest.raises(ModelError, match="answered 500"):
                text_of(engine, ASK)
        for _ in range(2):
            with pytest.raises(ModelError, match=r"left alone for 30 s\. Last: .*answered 500"):
                text_of(engine, ASK)
        assert len(server.asked()) == 3
        now[0] = 31
        with pytest.raises(ModelError, match="answered 500"):  # the one try fails: open again
            text_of(engine, ASK)
        with pytest.raises(ModelError, match="left alone"):
            text_of(engine, ASK)
        now[0] = 62
        assert text_of(engine, ASK) == text_of(engine, ASK) == "ok"


def test_a_breaker_lets_one_try_after_its_rest() -> None:
    now = [0.0]
    breaker = Breaker(2, rest=10, clock=lambda: now[0])
    for _ in range(2):
        assert breaker.enter() == 0
        breaker.failed()
    assert breaker.enter() == 10
    now[0] = 10
    assert breaker.enter() == 0
    assert breaker.enter() > 0  # another one is trying
    breaker.gave_up()
    assert breaker.enter() == 0
    breaker.worked()
    assert breaker.enter() == breaker.enter() == 0


def test_a_server_that_comes_back_is_looked_up_again() -> None:
    """It may have been started with another model in the meantime."""
    with ScriptedServer(
        models=[models("old"), models("new")], chat=[refusal(404, "no model old"), answer("ok")]
    ) as server:
        engine = engine_for(server.url)
        with pytest.raises(ModelError, match="no model old"):
            text_of(engine, ASK)
        assert text_of(engine, ASK) == "ok"
        assert [one.body["model"] for one in server.asked()] == ["old", "new"]


@pytest.mark.parametrize(
    "said",
    [
        "This model's maximum context length is 100 tokens. However, you requested 120 tokens "
        "(90 in the messages, 30 in the completion).",
        "'max_tokens' or 'max_completion_tokens' is too large: 30. This model's maximum context length is 100 "
        "tokens and your request has 90 input tokens (30 > 100 - 90).",
    ],
)
def test_a_limit_that_does_not_fit_is_lowered(said: str) -> None:
    with ScriptedServer(models=[models("m")], chat=[refusal(400, said), answer("ok")]) as server:
        assert text_of(engine_for(server.url), replace(ASK, max_tokens=30)) == "ok"
        assert [one.body["max_tokens"] for one in server.asked()] == [30, 10]


def test_a_limit_is_halved_where_the_server_counts_no_further() -> None:
    said = (
        "This model's maximum context length is 100 tokens. However, you requested {} output tokens and your "
        "prompt contains at least {} input tokens, for a total of at least 101 tokens."
    )
    refusals = [refusal(400, said.format(limit, 101 - limit)) for limit in (40, 39, 19)]
    with ScriptedServer(models=[models("m")], chat=[*refusals, answer("ok")]) as server:
        assert text_of(engine_for(server.url), replace(ASK, max_tokens=40)) == "ok"
        assert [one.body["max_tokens"] for one in server.asked()] == [40, 39, 19, 9]


def test_a_prompt_that_fills_the_context_is_told_with_both_sizes() -> None:
    said = "This model's maximum context length is 100 tokens. However, your messages resulted in 150 tokens."
    with (
        ScriptedServer(models=[models("m")], chat=[refusal(400, said)]) as server,
        pytest.raises(ModelError, match=r"the prompt has 150 tokens, but the context of .* holds 100"),
    ):
        text_of(engine_for(server.url), ASK)


def test_log_probabilities_that_are_not_given_are_missed() -> None:
    bare = Reply(json.dumps({"choices": [{"message": {"content": "x"}}]}).encode(), kind="application/json")
    with ScriptedServer(models=[models("m")], chat=[bare]) as server:
        with pytest.raises(ModelError, match="gives no log probabilities"):
            engine_for(server.url).next_token_logprobs(ASK, 3)
        body = server.asked()[0].body
        assert (body["logprobs"], body["top_logprobs"], body["max_tokens"]) == (True, 3, 1)


@pytest.mark.parametrize(
    ("url", "base", "root"),
    [
        ("http://h:8000", "http://h:8000/v1/", "http://h:8000/"),
        ("http://h:8000/", "http://h:8000/v1/", "http://h:8000/"),
        ("https://u:p@h/v1/", "https://h/v1/", "https://h/"),
        ("https://h/api/v1?x=y", "https://h/api/v1/", "https://h/api/"),
        ("https://h/openai", "https://h/openai/", "https://h/openai/"),
    ],
)
def test_addresses(url: str, base: str, root: str) -> None:
    endpoint = Endpoint(url, key=KEY)
    assert (endpoint.base, endpoint.root) == (base, root)
    assert KEY not in repr(endpoint)
    assert "p@" not in endpoint.shown


@pytest.mark.parametrize("url", ["", "h:8000", "ftp://h", "http://", "http://h:port", "http://u:hidden@"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(UserError, match=r"server address '.*' cannot be used; expected http://") as caught:
        Endpoint(url)
    assert "hidden" not in str(caught.value)


def test_a_date_may_say_when_to_come_again() -> None:
    slept: list[float] = []
    past = refusal(429, "slow down", Retry_After="Wed, 21 Oct 2015 07:28:00 GMT")
    odd = refusal(429, "slow down", Retry_After="soon")
    with ScriptedServer(models=[models("m")], chat=[past, odd, answer("ok")]) as server:
        assert text_of(engine_for(server.url, slept=slept), ASK) == "ok"
    assert slept[0] == 0
    assert 0 <= slept[1] <= 1

"""Tool calls that wait for approval, through OpenAI's own client."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openai
import pytest

from tests.agent.tool_fakes import calls
from tests.server.test_server import client_of, serving, user


def test_a_call_waits_and_a_later_request_decides(tmp_path: Path) -> None:
    with serving("tests.agent.tool_fakes", tmp_path) as address:
        client = client_of(address)

        def request(text: str, decision: object = None, **options: Any) -> Any:
            extra = {} if decision is None else {"extra_body": {"collegium": decision}}
            return client.chat.completions.create(
                model="collegium",
                messages=user(text),  # type: ignore[arg-type]
                **extra,
                **options,
            )

        asked = request("save milk", user="ann")
        waiting = asked.collegium["awaiting"]
        assert (waiting["tool"], waiting["arguments"]) == ("save", {"text": "milk"})
        assert asked.collegium["status"] == "clarify"
        assert 'save(text="milk")' in asked.choices[0].message.content
        with pytest.raises(openai.BadRequestError, match="no tool call waits"):
            request("yes", {"approve": True}, user="bob")
        with pytest.raises(openai.BadRequestError, match="no call 'other' waits"):
            request("yes", {"approve": True, "call": "other"}, user="ann")
        for bad in ({"approve": True, "for": "ever"}, {"approve": "perhaps"}):
            with pytest.raises(openai.BadRequestError, match="collegium"):
                request("yes", bad, user="ann")
        with pytest.raises(openai.BadRequestError, match="name its 'user'"):
            request("yes", {"approve": True})
        assert calls(tmp_path) == []

        done = request("yes", {"approve": True, "call": waiting["id"]}, user="ann")
        assert done.choices[0].message.content == "Saved milk."
        assert done.collegium["awaiting"] is None
        assert calls(tmp_path) == ["milk"]

        request("save bread", user="ann")
        chunks = list(request("no", {"approve": False}, user="ann", stream=True))
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks).startswith("It was not run")
        assert request("save eggs").collegium["status"] == "declined"
        assert calls(tmp_path) == ["milk"]

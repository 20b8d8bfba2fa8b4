"""What ``collegium serve`` refuses before it loads anything."""

from __future__ import annotations

import socket

import pytest

from tests.cli.conftest import Run


def test_others_are_let_in_only_with_a_key(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLLEGIUM_API_KEY", raising=False)
    result = run("serve", "--host", "0.0.0.0")
    assert result.code == 2
    assert "set COLLEGIUM_API_KEY" in result.err


def test_a_port_in_use_is_named(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run("serve", "--port", port)
    assert result.code == 2
    assert f"cannot listen on 127.0.0.1:{port}" in result.err

"""Evaluation harnesses of others drive our server through their own clients (extra ``harness``; skipped without)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.test_server import serving

QUESTION = "What does metformin do?"
ANSWER = "Metformin often causes nausea and diarrhoea [1]. Asked before: 0."


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving("tests.fake_agent", tmp_path_factory.mktemp("harness")) as found:
        yield found


def test_inspect_asks_our_server(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = pytest.importorskip("inspect_ai.model")
    monkeypatch.setenv("INSPECT_LOG_DIR", str(tmp_path))
    asked = model.get_model("openai-api/local/collegium", base_url=f"{address}/v1", api_key="unused")
    assert asyncio.run(asked.generate(QUESTION)).completion == ANSWER


def test_lm_eval_asks_our_server(address: str) -> None:
    completions = pytest.importorskip("lm_eval.models.openai_completions")
    instance = pytest.importorskip("lm_eval.api.instance").Instance
    asked = completions.LocalChatCompletion(base_url=f"{address}/v1/chat/completions", model="collegium")
    prompt = asked.apply_chat_template([{"role": "user", "content": QUESTION}])
    request = instance("generate_until", {}, (prompt, {"until": [], "max_gen_toks": 64}), 0)
    assert asked.generate_until([request], disable_tqdm=True) == [ANSWER]

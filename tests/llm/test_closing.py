"""An engine that is closed right after it has loaded ends; llama.cpp alone would wait for ever now and then."""

from pathlib import Path

import pytest

from skills.llm import load_engine


@pytest.mark.weights
@pytest.mark.timeout(120, method="thread")
def test_closing_at_once(weights_home: Path) -> None:
    for _ in range(6):
        engine = load_engine("llamacpp", "smollm2-135m-instruct", threads=1)
        engine.warm_up()
        engine.close()

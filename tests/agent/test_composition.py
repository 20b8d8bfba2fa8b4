"""The composition root and its settings, over real packs on disk and without weights."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent import Agent, Settings
from agent.settings import make_settings
from skills.errors import DataError, ModelError, UserError
from skills.llm import Endpoint


def write_pack(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "pack.toml").write_text(
        f'name = "{name}"\ntitle = "{name.title()}"\nversion = "2"\n'
        'description = "d"\ndisclaimer = "No advice."\n'
    )
    return folder


def test_settings_from_keywords_and_environment(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("COLLEGIUM_ENGINE", "torch")
    monkeypatch.setenv("COLLEGIUM_THREADS", "3")
    monkeypatch.setenv("COLLEGIUM_DOMAINS", "/one:/two")
    settings = make_settings(threads=2)
    assert (settings.engine, settings.threads) == ("torch", 2)
    assert settings.domains == (Path("/one"), Path("/two"))
    assert settings.session_file == home / "sessions.sqlite"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"threads": 0}, r"setting 'threads' \(COLLEGIUM_THREADS\): .* greater than or equal to 1, got 0"),
        ({"engin": "torch"}, "setting 'engin' .*; known: base, engine"),
        (
            {"remote_adapters": "nowhere.toml"},
            r"COLLEGIUM_REMOTE_ADAPTERS.*JSON object or the path of a TOML",
        ),
        ({"remote_adapters": '{"law": [1]}'}, "setting 'remote_adapters.law"),
        ({"remote_adapters": '{"law"'}, "JSON object or the path of a TOML file"),
        ({"engine": "vllm"}, "setting 'engine' .*'auto', 'llamacpp', 'torch' or 'remote'"),
    ],
)
def test_a_bad_setting_is_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Agent.from_settings(**values)


def test_a_server_is_set_without_showing_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "adapters.toml"
    table.write_text('law = "law-lora"\ntax = 1\n')
    monkeypatch.setenv("COLLEGIUM_REMOTE_URL", "http://127.0.0.1:8000")
    monkeypatch.setenv("COLLEGIUM_REMOTE_KEY", "sk-secret")
    monkeypatch.setenv("COLLEGIUM_REMOTE_ADAPTERS", str(table))
    settings = make_settings(engine="remote")
    endpoint = settings.endpoint
    assert endpoint == Endpoint("http://127.0.0.1:8000", "", "sk-secret", {"law": "law-lora", "tax": 1})
    assert "sk-secret" not in repr(settings) + repr(endpoint)
    assert make_settings(remote_adapters={"law": 2}).remote_adapters == {"law": 2}


def test_the_remote_engine_needs_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = Agent.from_settings(engine="remote")
    with pytest.raises(UserError, match="COLLEGIUM_REMOTE_URL"):
        agent.warm_up()
    agent = Agent.from_settings(engine="remote", remote_url="localhost:8000")
    with pytest.raises(UserError, match="'localhost:8000' cannot be used"):
        agent.warm_up()


def test_overrides_win_over_settings(tmp_path: Path) -> None:
    write_pack(tmp_path / "law", "law")
    agent = Agent.from_settings(Settings(history=2), domains=(tmp_path,))
    (found,) = [domain for domain in agent.domains if domain.name == "law"]
    assert (found.title, found.version, found.disclaimer, found.error) == ("Law", "2", "No advice.", "")


def test_broken_and_clashing_packs_are_listed(tmp_path: Path) -> None:
    write_pack(tmp_path / "x" / "law", "law")
    write_pack(tmp_path / "y" / "law", "law")
    (tmp_path / "x" / "tax").mkdir()
    (tmp_path / "x" / "tax" / "pack.toml").write_text("name = 'tax'")
    agent = Agent.from_settings(domains=(tmp_path / "x", tmp_path / "y"))
    errors = [
        (domain.name, domain.error)
        for domain in agent.domains
        if domain.error and domain.origin.startswith("folder")
    ]
    assert [name for name, _ in errors] == ["tax", "law"]
    assert "title: Field required" in errors[0][1]
    assert "domain 'law' is brought by" in errors[1][1]
    with pytest.raises(DataError, match="domain 'tax' is broken"):
        agent.ask("x", domain="tax")


def test_the_installed_domains_are_there() -> None:
    domains = {domain.name: domain.error for domain in Agent.from_settings().domains}
    assert {name: domains.get(name) for name in ("medical", "finance", "legal")} == {
        "medical": "",
        "finance": "",
        "legal": "",
    }


def test_a_missing_base_says_how_to_get_it(home: Path) -> None:
    agent = Agent.from_settings()
    with pytest.raises(ModelError, match="collegium models pull"):
        agent.warm_up()
    with pytest.raises(ModelError, match="collegium models pull"):
        agent.ask("What is metformin?", domain="medical")
    assert all("collegium models pull" in domain.error for domain in agent.domains)
    assert not (home / "sessions.sqlite").exists()

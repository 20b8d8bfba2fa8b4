"""``collegium doctor`` and ``collegium domains``: findings on good and broken installations."""

from __future__ import annotations

import json
import sqlite3
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from agent.cli import doctor
from skills.errors import ModelError
from tests.cli.conftest import Run
from tests.llm.servers import ScriptedServer, models

PACK = """
name = "{name}"
title = "Astrology"
version = "1"
description = "Stars."
disclaimer = "Not real."
"""


def make_pack(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "pack.toml").write_text(text)
    return folder


def checks(run: Run) -> tuple[int, dict[str, dict[str, Any]]]:
    result = run("doctor", "--json")
    return result.code, {check["name"]: check for check in json.loads(result.out)}


def test_an_empty_home_lacks_the_models_and_says_how_to_get_them(run: Run) -> None:
    code, found = checks(run)
    assert code == 1
    for name in ("python", "packages", "import names", "home", "sessions"):
        assert found[name]["state"] == "ok", found[name]
    assert found["model smollm2-135m-instruct"]["state"] == "failed"
    assert found["model smollm2-135m-instruct"]["next"] == "collegium models pull smollm2-135m-instruct"
    text = run("doctor").out
    assert "failed  model smollm2-135m-instruct" in text
    assert "next: collegium models pull smollm2-135m-instruct" in text


def test_a_damaged_session_file_is_found_and_kept(run: Run, home: Path) -> None:
    home.mkdir()
    (home / "sessions.sqlite").write_bytes(b"this is no database" * 100)
    _, found = checks(run)
    assert found["session_file"]["state"] == "failed"
    assert "mv " in found["session_file"]["detail"]
    assert (home / "sessions.sqlite").read_bytes().startswith(b"this is no")


def test_another_owner_of_our_import_names_is_found(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        metadata,
        "packages_distributions",
        lambda: {"agent": ["collegium", "agentware"], "skills": ["collegium"]},
    )
    _, found = checks(run)
    assert found["import names"]["state"] == "failed"
    assert "'agent' is also installed by agentware" in found["import names"]["detail"]


def test_a_home_that_cannot_be_written_is_found(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLLEGIUM_HOME", "/proc/collegium")
    _, found = checks(run)
    assert found["home"]["state"] == "failed"
    assert "COLLEGIUM_HOME" in found["home"]["next"]


def test_domains_lists_what_is_installed_and_what_is_broken(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = make_pack(tmp_path / "packs" / "astrology", PACK.format(name="astrology"))
    make_pack(tmp_path / "packs" / "typo", PACK.format(name="typo").replace("title", "titel"))
    monkeypatch.setenv("COLLEGIUM_DOMAINS", str(tmp_path / "packs"))
    rows = {row["name"]: row for row in json.loads(run("domains", "--json").out)}
    assert rows["astrology"]["status"] == "ok"
    assert rows["astrology"]["folder"] == str(good)
    assert rows["astrology"]["trusted"] is False
    assert rows["typo"]["status"] == "broken"
    assert "title: Field required" in rows["typo"]["error"]
    text = run("domains").out
    assert "Astrology" in text
    assert "typo: " in text
    assert "pack.toml" in text
    _, found = checks(run)
    assert "title: Field required" in found["domain typo"]["detail"]


def test_sessions_are_listed_shown_and_deleted(run: Run, home: Path) -> None:
    assert run("sessions", "list").out == ""
    run("ask", "metformin?", "--session", "a")
    run("ask", "bonds?", "--session", "b")
    assert [row["name"] for row in json.loads(run("sessions", "list", "--json").out)] == ["b", "a"]
    assert "metformin?" in run("sessions", "list").out
    assert run("sessions", "show", "a").out.startswith("user: metformin?\nassistant: Metformin")
    assert run("sessions", "delete", "a").code == 0
    gone = run("sessions", "show", "a")
    assert (gone.code, "no session 'a'; known: 'b'" in gone.err) == (2, True)
    with sqlite3.connect(home / "sessions.sqlite") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_server_is_asked_for_its_model_and_adapters(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    places = {"medical": "medical-lora", "finance": "finance-lora", "tax": 0}
    monkeypatch.setenv("COLLEGIUM_ENGINE", "remote")
    monkeypatch.setenv("COLLEGIUM_REMOTE_KEY", "sk-secret")
    monkeypatch.setenv("COLLEGIUM_REMOTE_ADAPTERS", json.dumps(places))
    (unset,) = doctor.engine()
    assert (unset.state, "COLLEGIUM_REMOTE_URL" in unset.next) == ("failed", True)
    with ScriptedServer(models=[models("base", "medical-lora")]) as server:
        monkeypatch.setenv("COLLEGIUM_REMOTE_URL", server.url)
        code, found = checks(run)
        assert server.received[0].headers["Authorization"] == "Bearer sk-secret"
        assert found["engine"]["detail"] == f"a server at {server.url} serves base"
        assert found["adapter medical"]["detail"] == "model medical-lora"
        assert "it serves: base, medical-lora" in found["adapter finance"]["detail"]
        assert "a number is llama.cpp's" in found["adapter tax"]["detail"]
        assert "adapter at 'medical-lora' of the server" in found["domain medical"]["detail"]
        assert found["domain legal"]["state"] == "warning"
        assert "the server's base model writes" in found["domain legal"]["detail"]
        assert "COLLEGIUM_REMOTE_ADAPTERS" in found["domain legal"]["next"]
        assert "model smollm2-135m-instruct" not in found
        assert code == 1
        monkeypatch.setenv("COLLEGIUM_REMOTE_MODEL", "other")
        with pytest.raises(ModelError, match="has no model 'other'; it serves: base"):
            list(doctor.engine())
    with pytest.raises(ModelError, match="cannot be reached"):
        list(doctor.engine())


@pytest.mark.weights
def test_a_full_installation_passes(run: Run, weights_home: Path) -> None:
    code, found = checks(run)
    assert [check for check in found.values() if check["state"] == "failed"] == []
    assert code == 0
    for name in ("medical", "finance", "legal"):
        assert "adapter fits the base" in found[f"domain {name}"]["detail"]

"""``collegium memory`` and the memory commands of a chat, over the fake agent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run


def test_facts_are_added_listed_corrected_and_forgotten(run: Run) -> None:
    added = run(
        "memory", "add", "I weigh 80 kg", "--domain", "medical", "--share", "legal", "--user", "ann"
    ).out
    id = added.split()[0]
    assert added == f"{id}  medical, legal I weigh 80 kg\n"
    assert run("memory", "list").out == ""
    assert run("memory", "correct", id, "I weigh 78 kg", "--user", "ann").code == 0
    (row,) = json.loads(run("memory", "list", "--user", "ann", "--json").out)
    assert (row["text"], row["shared"], row["consent"]) == ("I weigh 78 kg", ["legal"], "command")
    assert run("memory", "list", "--user", "ann", "--domain", "finance").out == ""
    assert run("memory", "forget", id).code == 2
    assert run("memory", "forget", id, "--user", "ann").out == "forgotten: I weigh 78 kg\n"
    assert run("memory", "list", "--user", "ann").out == ""


def test_everything_is_exported_and_forgotten(run: Run) -> None:
    run("memory", "add", "I live in China", "--expires", "9999-01-01")
    run("memory", "style", "--set", "length=short", "--set", "currency=CNY")
    fact, style = (json.loads(line) for line in run("memory", "export").out.splitlines())
    assert (fact["text"], fact["expires"]) == ("I live in China", "9999-01-01")
    assert (style["style"]["length"], style["style"]["currency"]) == ("short", "CNY")
    assert "length        short\n" in run("memory", "style").out
    assert run("memory", "forget", "--all").out == "forgotten: 1 facts\n"
    assert len(run("memory", "export").out.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("add", "x", "--domain", "astrology"), "unknown domain 'astrology'"),
        (("add", "x", "--expires", "soon"), "'soon' is not a date"),
        (("style", "--set", "length=huge"), "style length='huge'"),
        (("forget",), "give either the id of a fact or --all"),
        (("forget", "abc"), "no fact 'abc'; known: none"),
    ],
)
def test_bad_input_is_the_users(run: Run, arguments: tuple[str, ...], message: str) -> None:
    result = run("memory", *arguments)
    assert result.code == 2
    assert message in result.err


def test_a_chat_remembers_on_command_and_after_a_yes(run: Run) -> None:
    typed = ("/memory", "/remember medical: I take metformin", "/remember", "Remember that I live in China.")
    typed += (
        "I am allergic to nuts. Is metformin safe?",
        "yes",
        "/memory",
        "/style length=short, currency=CNY",
        "/style",
    )
    out = run("chat", "--session", "s", stdin="\n".join(typed)).out
    assert "I remember nothing about you." in out
    assert "error: /remember: what? Like: /remember TEXT" in out
    assert 'I will remember: "I live in China". Seen by: Medical, Finance.' in out
    assert 'Shall I remember "I am allergic to nuts" for later conversations? (yes / no)' in out
    facts = json.loads(run("memory", "list", "--json").out)
    assert [(fact["text"], fact["domain"], fact["consent"]) for fact in facts] == [
        ("I take metformin", "medical", "command"),
        ("I live in China", "any", "command"),
        ("I am allergic to nuts", "medical", "confirmed"),
    ]
    assert out.count("length        short") == 2
    assert "forgotten: I take metformin" in run("chat", stdin=f"/forget {facts[0]['id']}\n").out


def test_an_answer_shows_what_it_remembered(run: Run) -> None:
    run("memory", "add", "my medicine is metformin", "--user", "ann")
    out = run("ask", "tell me about my medicine", "--user", "ann").out
    assert "  you told me: “my medicine is metformin” (question)" in out
    row = json.loads(run("ask", "tell me about my medicine", "--user", "ann", "--json").out)
    assert [one["text"] for one in row["remembered"]] == ["my medicine is metformin"]
    assert "you told me" not in run("ask", "tell me about my medicine").out


def test_sessions_are_exported_as_json_lines(run: Run, tmp_path: Path) -> None:
    run("ask", "metformin?", "--session", "a")
    run("ask", "bond?", "--session", "b")
    rows = [json.loads(line) for line in run("sessions", "export", "a").out.splitlines()]
    assert [(row["session"], row["role"], row["domain"]) for row in rows] == [
        ("a", "user", "medical"),
        ("a", "assistant", "medical"),
    ]
    target = tmp_path / "all.jsonl"
    assert run("sessions", "export", "--out", str(target)).out == ""
    assert {json.loads(line)["session"] for line in target.read_text().splitlines()} == {"a", "b"}
    assert run("sessions", "export", "c").code == 2

"""``collegium memory``, and its commands in a chat: facts that users want remembered, and how they want to be answered.

Knows the memory file and the commands; not what a fact is good for.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.render import clean
from skills.errors import UserError

if TYPE_CHECKING:
    from agent.app import Agent
    from agent.facts import Fact, Facts
    from agent.style import Style

app = typer.Typer(help="What users want remembered, and how they want to be answered.", no_args_is_help=True)
Id = Annotated[str, typer.Argument(help="Id of the fact (see: collegium memory list).")]
Text = Annotated[str, typer.Argument(help='The fact: "I live in California".')]
User = Annotated[str | None, typer.Option("--user", help="Whose memory; default: the terminal's.")]
Domain = Annotated[str | None, typer.Option("--domain", help="Only what this domain may see.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_(user: User = None, domain: Domain = None, as_json: AsJson = False) -> None:
    """List the facts, oldest first."""
    found = _facts().list(user, domain)
    if as_json:
        print(json.dumps([asdict(fact) for fact in found], ensure_ascii=False, indent=1))
    elif found:
        print("\n".join(map(line, found)))


@app.command()
def add(
    text: Text,
    user: User = None,
    domain: Annotated[
        str, typer.Option("--domain", help="Which domain sees it; default: every one.")
    ] = "any",
    share: Annotated[list[str] | None, typer.Option("--share", help="A further domain that sees it.")] = None,
    expires: Annotated[
        str, typer.Option("--expires", help="Date from which it no longer holds, YYYY-MM-DD.")
    ] = "",
) -> None:
    """Remember a fact: giving the command is the consent."""
    from agent.settings import make_settings
    from skills.pack import discover

    settings = make_settings()
    packs, _ = discover(settings.domains, settings.trusted_domains)
    known = {"any", *(pack.name for pack in packs)}
    for name in (domain, *(share or ())):
        if name not in known:
            raise UserError(f"unknown domain {name!r}; known: {', '.join(sorted(known))}", subject=name)
    print(line(_facts().add(text, user=user, domain=domain, share=share or (), expires=expires)))


@app.command()
def correct(id: Id, text: Text, user: User = None) -> None:
    """Put another text in a fact's place."""
    print(line(_facts().correct(id, text, user)))


@app.command()
def forget(
    id: Annotated[str | None, typer.Argument(help="Id of the fact; left out: with --all.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every fact, and the style.")] = False,
    user: User = None,
) -> None:
    """Erase a fact, or all that is remembered about a user. Sessions have their own: collegium sessions delete."""
    if (id is None) != every:
        raise UserError("give either the id of a fact or --all: collegium memory forget ID")
    if id is None:
        print(f"forgotten: {_facts().forget_all(user)} facts")
    else:
        print(f"forgotten: {clean(_facts().forget(id, user).text)}")


@app.command()
def export(user: User = None) -> None:
    """Print all that is remembered about a user as JSON Lines: the facts, then the style."""
    facts = _facts()
    for fact in facts.list(user):
        print(json.dumps(asdict(fact), ensure_ascii=False))
    print(json.dumps({"style": facts.style(user).model_dump()}, ensure_ascii=False))


@app.command()
def style(
    assignments: Annotated[
        list[str] | None, typer.Option("--set", help="name=value, like length=short; an empty value resets.")
    ] = None,
    user: User = None,
    as_json: AsJson = False,
) -> None:
    """Show or set how a user wants to be answered: length, language, level, jurisdiction, currency."""
    from agent.style import changed

    facts = _facts()
    found = facts.style(user)
    if assignments:
        found = changed(found, assignments)
        facts.set_style(found, user)
    print(found.model_dump_json() if as_json else settings_lines(found))


def in_chat(agent: Agent, command: str, rest: str) -> str:
    """Run one of a chat's memory commands for the terminal's user and say what came of it."""
    from agent.style import changed

    match command:
        case "/memory":
            return "\n".join(map(line, agent.facts())) or "I remember nothing about you."
        case "/remember" if rest:
            domain, colon, text = rest.partition(":")
            known = {one.name for one in agent.domains} | {"any"}
            if colon and domain.strip().lower() in known:
                return line(agent.remember(text, domain=domain.strip().lower()))
            return line(agent.remember(rest))
        case "/forget" if rest:
            return f"forgotten: {clean(agent.forget(rest).text)}"
        case "/style":
            found = changed(agent.style(), rest.split(",")) if rest else agent.style()
            return settings_lines(agent.set_style(**found.model_dump()) if rest else found)
        case _:
            raise UserError(f"{command}: what? Like: {command} {'ID' if command == '/forget' else 'TEXT'}")


def line(fact: Fact) -> str:
    """``id  domain  text``, with who else may see it and until when."""
    seen = ", ".join((fact.domain, *fact.shared))
    until = f"  (until {fact.expires})" if fact.expires else ""
    return clean(f"{fact.id}  {seen:<9} {fact.text}{until}")


def settings_lines(style: Style) -> str:
    """A setting a line."""
    return "\n".join(f"{name:<14}{value or '-'}" for name, value in style.model_dump().items())


def _facts() -> Facts:
    from agent.facts import Facts, memory_file
    from agent.settings import make_settings

    return Facts(memory_file(make_settings().session_file))

"""One turn on the screen: events in, text out.

On a terminal: the skill that answers, its words as they are verified, tool results in a panel, citations as
footnotes. In a pipe or a file: the same as plain lines. Knows rich and the events; not where they come from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, assert_never

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.status import Status as Spinner
from rich.text import Text

from agent.events import Answer, Answered, Event, Failed, Routed
from prompts import load
from skills.errors import ModelError
from skills.records import Citation, Retrieved, Token, ToolCall, ToolCalled, Verified
from skills.retrieval.text import has_chinese

if TYPE_CHECKING:
    from agent.composition import Domain

# Terminal control sequences have no place in a passage or an answer; a store may hold anything.
_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_STATUS = {"answered": "", "clarify": "needs to know more", "declined": "declined"}
_REASONS = {
    "out_of_scope": "outside the installed domains",
    "no_evidence": "nothing in the store supports an answer",
    "unsupported": "what was written is not supported by its source",
    "red_flag": "a red flag",
    "missing_argument": "a value is missing",
    "which_place": "which country is meant",
    "bad_argument": "a value does not fit",
    "needs_approval": "it would change things",
    "refused": "not run",
    "tool_failed": "the tool failed",
    "no_tool": "no tool is for that",
    "unknown_outcome": "it may have run or not",
}


def clean(text: str) -> str:
    """The text without control characters other than line breaks and tabs."""
    return _CONTROL.sub("", text)


def footnote(citation: Citation) -> tuple[str, str]:
    """(``[1] Title. Source (as of 2025-01)``, the quoted words)."""
    named = ". ".join(part for part in (citation.title or citation.passage_id, citation.source) if part)
    date = f" (as of {citation.as_of})" if citation.as_of else ""
    return f"[{citation.number}] {clean(named)}{date}", clean(" ".join(citation.quote.split()))


def call_line(call: ToolCall) -> str:
    """``name(argument=value, ...)``."""
    return clean(f"{call.name}({', '.join(f'{name}={value}' for name, value in call.arguments.items())})")


class TurnView:
    """Shows turns on a console, and each domain's disclaimer once.

    Plain where the console is no terminal: no colour, no boxes, no cursor movement.
    """

    def __init__(self, console: Console, domains: Iterable[Domain] = ()) -> None:
        self.console = console
        self.plain = not console.is_terminal
        self._domains = {domain.name: domain for domain in domains}
        self._disclaimed: set[str] = set()
        self._spinner: Spinner | None = None
        self._domain = ""
        self._shown = ""
        self._column = 0
        self._space = ""

    def show(self, events: Iterable[Event]) -> Answer:
        """Show one turn as it happens and return its answer. Raises the error of a turn that failed.

        Whatever passes through, a KeyboardInterrupt too, leaves the screen in order.
        """
        self._domain, self._shown, self._column, self._space = "", "", 0, ""
        self._wait("routing")
        answer: Answer | None = None
        try:
            for event in events:
                match event:
                    case Routed():
                        self._wait("searching")
                    case ToolCalled():
                        self._tool(event.call)
                    case Retrieved():
                        self._wait("writing")
                    case Token():
                        self._token(event)
                    case Verified():
                        pass
                    case Answered():
                        answer = event.answer
                        self._answered(answer)
                    case Failed():
                        raise event.as_error()
                    case _:
                        assert_never(event)
        finally:
            self._rest()
            if self._column:
                self._line()
        if answer is None:
            raise ModelError("the turn ended without an answer")
        return answer

    def error(self, message: str) -> None:
        """One line that says what went wrong."""
        self.console.print(Text.assemble(("error: ", "bold red"), clean(message)), soft_wrap=True)

    def sources(self, answer: Answer) -> None:
        """The citations of an answer with the words they rest on, and its tool calls."""
        for call in answer.tools:
            self.console.print(Text(f"{call_line(call)}  {clean(call.source)}".rstrip()), soft_wrap=True)
        for citation in answer.citations:
            head, quote = footnote(citation)
            self.console.print(Text(head, "bold"), soft_wrap=True)
            self.console.print(Text(f"    {clean(citation.passage_id)}", "dim"), soft_wrap=True)
            self.console.print(Text(f"    “{quote}”"), soft_wrap=True)
        if not answer.citations and not answer.tools:
            self.console.print("The last answer rests on no source.")

    # From here on: the parts of a turn, in the order in which they appear.

    def _tool(self, call: ToolCall) -> None:
        self._rest()
        if self._column:
            self._line()
        # The result as a sentence follows as the answer; here are the numbers that went in and came out.
        values = [
            f"{name} = {value}" for name, value in call.values.items() if isinstance(value, int | float | str)
        ]
        result = clean(f"failed: {call.error}" if call.error else "\n".join(values[:12]) or call.text)
        if self.plain:
            self.console.print(Text(f"{call_line(call)}: {result.replace(chr(10), ', ')}"), soft_wrap=True)
            return
        title = escape(call_line(call))
        self.console.print(
            Panel(Text(result), title=title, title_align="left", border_style="cyan", expand=False)
        )
        self._wait("writing")

    def _token(self, token: Token) -> None:
        self._rest()
        if token.domain != self._domain:
            self._head(token.domain)
        self._shown += token.text
        self._flow(clean(token.text))

    def _head(self, domain: str) -> None:
        if self._column:
            self._line()
        self._domain = domain
        if domain:
            known = self._domains.get(domain)
            self.console.print(Text(f"{known.title if known else domain}:", "bold cyan"))

    def _answered(self, answer: Answer) -> None:
        self._rest()
        if not self._shown.strip():
            self._head(answer.domains[0] if len(answer.domains) == 1 else "")
            self._flow(clean(answer.text))
        elif answer.text.startswith(self._shown):
            self._flow(clean(answer.text[len(self._shown) :]))
        if self._column:
            self._line()
        courtesy = answer.status == "clarify" and not answer.domains
        explains_itself = courtesy or answer.awaiting is not None
        if answer.status != "answered" and not explains_itself:
            reason = _REASONS.get(answer.reason, answer.reason)
            what = f"({_STATUS[answer.status]}{f': {reason}' if reason else ''})"
            self.console.print(Text(what, "yellow"))
        for citation in answer.citations:
            head, quote = footnote(citation)
            self.console.print(
                Text.assemble((f"  {head}: ", "cyan"), (f"“{quote}”", "dim")), soft_wrap=self.plain
            )
        for one in answer.remembered:
            whence = "a setting of yours" if one.id == "style" else "you told me"
            self.console.print(
                Text(f"  {whence}: “{clean(one.text)}” ({one.use})", "dim"), soft_wrap=self.plain
            )
        if answer.offer:
            prompt = "offer_remember_zh" if has_chinese(answer.offer) else "offer_remember"
            self.console.print(
                Text(clean(load(prompt).render(text=answer.offer)), "cyan"), soft_wrap=self.plain
            )
        for name in answer.domains if answer.status == "answered" else ():
            domain = self._domains.get(name)
            if domain is None or name in self._disclaimed:
                continue
            self._disclaimed.add(name)
            chinese = domain.disclaimer_zh and has_chinese(answer.text)
            disclaimer = domain.disclaimer_zh if chinese else domain.disclaimer
            self.console.print(Text(clean(disclaimer), "italic dim"), soft_wrap=self.plain)

    def _flow(self, text: str) -> None:
        """Print text so that words are not broken at the right margin, whatever pieces they come in."""
        if self.plain:
            self.console.print(Text(text), end="", soft_wrap=True)
            if text:
                self._column = 0 if text.endswith("\n") else 1
            return
        width = self.console.width
        for part in re.findall(r"\n|[^\S\n]+|\S+", text):
            if part == "\n":
                self._line()
            elif part.isspace():
                self._space = part if self._column else ""  # shown when a word follows on this line
            else:
                size = cell_len(part)
                if self._column and self._column + len(self._space) + size > width:
                    self._line()
                self.console.print(Text(self._space + part), end="", soft_wrap=True)
                self._column = (self._column + len(self._space) + size - 1) % width + 1
                self._space = ""

    def _line(self) -> None:
        self.console.print()
        self._column, self._space = 0, ""

    def _wait(self, what: str) -> None:
        """A spinner on a terminal while nothing is shown yet."""
        if self.plain or self._column:
            return
        if self._spinner is None:
            self._spinner = self.console.status(what, spinner="dots")
            self._spinner.start()
        else:
            self._spinner.update(what)

    def _rest(self) -> None:
        if self._spinner is not None:
            self._spinner.stop()
            self._spinner = None

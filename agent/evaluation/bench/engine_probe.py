"""One measured process: the engine with some adapters, a request to each. Run by `collegium bench memory`."""

from __future__ import annotations

import json
import sys

from agent.evaluation.bench.probe import peak_bytes
from skills import weights
from skills.llm import ChatTurn, GenerationRequest, load_engine
from skills.pack import discover


def main(count: int) -> None:
    """``count``: adapters, 0 for all. Prints one JSON object."""
    packs = [pack for pack in discover()[0] if pack.adapter is not None][: count or None]
    adapters = {pack.name: pack.adapter for pack in packs if pack.adapter is not None}
    engine = load_engine("llamacpp", weights.DEFAULT_BASE, adapters)
    for name in adapters:
        turns = (ChatTurn("user", "word " * 300),)
        list(engine.stream(GenerationRequest(turns, adapter=name, max_tokens=4)))
    print(json.dumps({"adapters": len(adapters), "peak_bytes": peak_bytes()}))
    engine.close()


if __name__ == "__main__":
    main(int(sys.argv[1]))

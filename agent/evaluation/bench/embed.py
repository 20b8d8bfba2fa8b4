"""Our sentence encoder against sentence-transformers' own loop: the same model, texts and vectors."""

from __future__ import annotations

import importlib
import importlib.util
import time
from typing import Any

import numpy as np

from agent.evaluation.bench.figures import ratio, spread
from skills import weights

EMBEDDER = "all-minilm-l6-v2"
TEXTS = 32


def embed(repeats: int) -> dict[str, Any]:
    """Passages a second, by turns; with a note where the peer is not installed."""
    from skills.pack import discover
    from skills.retrieval.embedder import load_embedder
    from skills.retrieval.store import PassageStore

    store = PassageStore.load(discover()[0][0].index)
    texts = [passage.text for passage in store.passages[:TEXTS]]
    ours = load_embedder(EMBEDDER)
    mine: list[float] = []
    theirs: list[float] = []
    cosine = 0.0
    peer: Any = None
    if importlib.util.find_spec("sentence_transformers"):
        library: Any = importlib.import_module("sentence_transformers")
        peer = library.SentenceTransformer(str(weights.ensure(EMBEDDER)), device="cpu")
    for number in range(repeats + 1):
        started = time.perf_counter()
        vectors = np.asarray(ours.embed_documents(texts))
        seconds = time.perf_counter() - started
        if number:
            mine.append(len(texts) / seconds)
        if peer is not None:
            started = time.perf_counter()
            others = peer.encode(texts, normalize_embeddings=True)
            seconds = time.perf_counter() - started
            if number:
                theirs.append(len(texts) / seconds)
            cosine = float((vectors * others).sum(axis=1).min())
    figures: dict[str, Any] = {"collegium_passages_per_s": spread(mine)}
    if peer is None:
        return {**figures, "note": "sentence-transformers is not installed: nothing to compare with"}
    return {
        **figures,
        "sentence_transformers_passages_per_s": spread(theirs),
        "collegium_over_sentence_transformers": ratio(mine, theirs),
        "lowest_cosine": round(cosine, 5),
    }

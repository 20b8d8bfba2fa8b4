"""A GGUF file as a Hugging Face folder, for torch. Imports torch and transformers when it runs."""

from __future__ import annotations

import io
from contextlib import redirect_stderr
from pathlib import Path

from skills.errors import ModelError
from skills.files import atomic_folder, read_json, write_json


def convert(gguf_file: Path, folder: Path, digest: str) -> None:
    """Write ``folder`` with the de-quantised weights, the tokenizer and a note of the file they are from.

    transformers cannot save what it loaded from GGUF, so a fresh model takes the weights. Stored as float16:
    it keeps the quantised blocks' products closer than bfloat16 does
    (their scales are float16 themselves). Raises ModelError for a file transformers cannot read.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    place, name = str(gguf_file.parent), gguf_file.name
    try:
        with redirect_stderr(io.StringIO()):  # its progress bar cannot be switched off otherwise
            loaded = AutoModelForCausalLM.from_pretrained(place, gguf_file=name, dtype=torch.float32)
            tokenizer = AutoTokenizer.from_pretrained(place, gguf_file=name)
    except Exception as error:
        raise ModelError(
            f"{str(gguf_file)!r} cannot be converted for torch: {error}; use the model's Hugging Face folder "
            "instead (collegium models pull owner/model)",
            subject=gguf_file,
        ) from error
    config = loaded.config
    vars(config).pop("quantization_config", None)
    weights = loaded.state_dict()
    fits = all(tensor.abs().max().item() < torch.finfo(torch.float16).max for tensor in weights.values())
    dtype = torch.float16 if fits else torch.bfloat16
    fresh = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    fresh.load_state_dict(weights)
    fresh.to(dtype)
    with atomic_folder(folder) as partial:
        fresh.save_pretrained(partial)
        tokenizer.save_pretrained(partial)
        saved = read_json(partial / "config.json")
        # What dtype="auto" computes in: float16 is for storage, it is slow on CPUs and overflows in training.
        write_json(partial / "config.json", {**saved, "dtype": "bfloat16"})
        for file in partial.rglob("*.safetensors"):
            file.chmod(0o644)
        write_json(partial / "collegium.json", {"source": name, "base_sha256": digest})

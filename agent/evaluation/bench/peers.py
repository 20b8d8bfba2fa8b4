"""How others run the same adapters on the same base: each peer answers requests and says how long it took."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skills import weights
from skills.llm.adapter_files import read_adapter
from skills.llm.engine import Engine, GenerationRequest
from skills.llm.gguf_adapter import export
from skills.llm.llama_server import LlamaServer
from skills.llm.precision import fast_dtype


@dataclass(frozen=True, slots=True)
class Timing:
    first: float
    """Seconds to the first token; of a peer that does not stream, to the end."""
    total: float
    """Seconds to the end."""
    tokens: int
    """Generated."""
    text: str = ""
    requests: int = 1
    """How many, one after the other; ``first`` is then their sum."""

    @property
    def speed(self) -> float:
        """Tokens a second, reading the prompt included."""
        return self.tokens / self.total

    @property
    def decode(self) -> float:
        """Tokens a second once the first is there; of a peer that does not stream, nothing."""
        spent = self.total - self.first
        return (self.tokens - self.requests) / spent if spent > 0 else math.nan


Peer = Callable[[GenerationRequest], Timing]


def timed(engine: Engine, request: GenerationRequest) -> Timing:
    started = time.perf_counter()
    first = 0.0
    text, tokens = "", 0
    for piece in engine.stream(request):
        first = first or time.perf_counter() - started
        text += piece.text
        tokens = piece.completion_tokens or tokens
    return Timing(first, time.perf_counter() - started, tokens, text)


def plain_llamacpp(base: str, adapters: Mapping[str, Path], threads: int) -> Peer:
    """llama.cpp as it comes: the model's own file, an adapter a request if any, no speculation, its usual batches and
    samplers."""
    path, identity = weights.ensure(base), weights.base_hash(base)
    files = {
        name: export(read_adapter(name, place, identity), path, identity) for name, place in adapters.items()
    }
    server = LlamaServer(
        path, files, context=2048, threads=threads, sequences=1, speculation=False, batch=512
    )

    def answer(request: GenerationRequest) -> Timing:
        tokens = server.tokens(request)
        started = time.perf_counter()
        first = 0.0
        usage: dict[str, int] = {}

        def receive(chunk: dict[str, Any]) -> bool:
            nonlocal first, usage
            first = first or time.perf_counter() - started
            usage = chunk.get("usage") or usage
            return False

        body = {"prompt": tokens, "max_tokens": request.max_tokens, "temperature": 0.0, "cache_prompt": False}
        body |= server.scales(request.adapter)
        server.call(body | {"stream": True, "stream_options": {"include_usage": True}}, receive)
        return Timing(first, time.perf_counter() - started, usage["completion_tokens"])

    return answer


def mixed_batch(base: str, adapters: Mapping[str, Path]) -> Callable[[Sequence[GenerationRequest]], Timing]:
    """PEFT with another adapter in each row of a batch (``adapter_names``), as its documentation has it."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = weights.safetensors_folder(base)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder, padding_side="left")
    plain = AutoModelForCausalLM.from_pretrained(folder, dtype=fast_dtype(torch.device("cpu")))
    (first, place), *others = adapters.items()
    model: Any = PeftModel.from_pretrained(plain, str(place), adapter_name=first)
    for name, path in others:
        model.load_adapter(str(path), adapter_name=name)
    model.eval()

    def answer(requests: Sequence[GenerationRequest]) -> Timing:
        chats = [[{"role": t.role, "content": t.text} for t in request.turns] for request in requests]
        inputs = tokenizer.apply_chat_template(
            chats, add_generation_prompt=True, return_tensors="pt", return_dict=True, padding=True
        )
        started = time.perf_counter()
        with torch.inference_mode():
            out = model.generate(
                **inputs,
                adapter_names=[request.adapter or "__base__" for request in requests],
                max_new_tokens=max(request.max_tokens for request in requests),
                do_sample=False,
            )
        seconds = time.perf_counter() - started
        made = out[:, inputs["input_ids"].shape[1] :]
        return Timing(seconds, seconds, int((made != tokenizer.pad_token_id).sum()))

    return answer


def langchain_pipeline(base: str, adapter: Path) -> Peer:
    """What a user writes first: a LangChain chain around a transformers pipeline, the adapter loaded with PEFT."""
    import torch
    from langchain_core.prompts import ChatPromptTemplate
    from langchain_core.runnables import RunnableLambda
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer, pipeline

    folder = weights.safetensors_folder(base)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    plain = AutoModelForCausalLM.from_pretrained(folder, dtype=fast_dtype(torch.device("cpu")))
    model: Any = PeftModel.from_pretrained(plain, str(adapter)).eval()
    generate: Any = pipeline("text-generation", model=model, tokenizer=tokenizer)
    prompt = ChatPromptTemplate.from_messages([("system", "{system}"), ("human", "{user}")])

    def run(value: Any, limit: int) -> str:
        roles = {"system": "system", "human": "user"}
        chat = [{"role": roles[message.type], "content": message.content} for message in value.to_messages()]
        out = generate(chat, max_new_tokens=limit, do_sample=False, return_full_text=False)
        return str(out[0]["generated_text"])

    def answer(request: GenerationRequest) -> Timing:
        chain = prompt | RunnableLambda(lambda value: run(value, request.max_tokens))
        started = time.perf_counter()
        text = chain.invoke({"system": request.turns[0].text, "user": request.turns[-1].text})
        seconds = time.perf_counter() - started
        return Timing(seconds, seconds, len(tokenizer(text)["input_ids"]) + 1, text)

    return answer

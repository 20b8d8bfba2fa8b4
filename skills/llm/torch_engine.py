"""transformers + PEFT: the engine for GPUs and for bases that are Hugging Face folders.

One thread owns the model and works requests off one after another: PEFT switches adapters on the model as
a whole. Every request starts from an empty cache. Importing this module imports no torch; an engine does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from skills import weights
from skills.errors import ModelError
from skills.llm.adapter_files import AdapterFiles, read_adapter
from skills.llm.background import Emit, iterate
from skills.llm.chat_template import plain_turns
from skills.llm.engine import GenerationRequest, Piece
from skills.llm.text_stream import TextStream

if TYPE_CHECKING:
    import torch

_END_TOKENS = (
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|end_of_text|>",
    "<|eom_id|>",
    "<end_of_turn>",
    "<|end|>",
)
"""Tokens that end an answer in some family of models, if the vocabulary has them; as in llama.cpp."""
_TOP_P = 0.95

Result = TypeVar("Result")


class TorchEngine:
    """Base model from a Hugging Face folder, or from a GGUF file that is de-quantised once."""

    name = "torch"

    def __init__(
        self,
        base: str,
        adapters: Mapping[str, Path] | None = None,
        *,
        context: int = 4096,
        threads: int | None = None,
        device: str = "auto",
        dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
    ) -> None:
        """``device``: "auto" is a GPU if there is one. ``dtype``: "auto" is bfloat16 there, float32 on CPUs.

        ``context``: tokens of prompt and answer together, at most what the base was trained for.
        """
        folder = weights.safetensors_folder(base)
        self._base_hash = weights.base_hash(base)
        self._folder = folder
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="torch-engine")
        self._adapters: dict[str, str] = {}  # name -> PEFT's name
        self._loaded_adapters = 0
        self._closed = False
        self._model: Any = None
        self._tokenizer: Any = None
        self._on_worker(lambda: self._load(context, threads, device, dtype))
        for name, place in (adapters or {}).items():
            self.add_adapter(name, place)

    @property
    def base_hash(self) -> str:
        return self._base_hash

    @property
    def context(self) -> int:
        return self._context

    def add_adapter(self, name: str, folder: Path) -> None:
        files = read_adapter(name, folder, self._base_hash)
        self._on_worker(lambda: self._load_adapter(name, files))

    def adapters(self) -> tuple[str, ...]:
        return tuple(sorted(self._adapters))

    def stream(self, request: GenerationRequest) -> Iterator[Piece]:
        self._check(request)
        yield from iterate(lambda emit: self._generate(request, emit), lambda work: self._submit(work).cancel)

    def next_token_logprobs(self, request: GenerationRequest, count: int) -> dict[str, float]:
        self._check(request)
        return self._on_worker(lambda: self._next_logprobs(request, count))

    def prompt_tokens(self, request: GenerationRequest) -> list[int]:
        """Token ids of the rendered prompt."""
        if self._closed:
            raise ModelError("this engine is closed")
        marks = [token.content for token in self._tokenizer.added_tokens_decoder.values() if token.special]
        turns = [{"role": turn.role, "content": turn.text} for turn in plain_turns(request.turns, marks)]
        if not self._tokenizer.chat_template:
            raise ModelError(
                f"base {str(self._folder)!r} has no chat template; use an instruction-tuned model"
            )
        text: str = self._tokenizer.apply_chat_template(
            turns, tokenize=False, add_generation_prompt=True, enable_thinking=False
        )
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def warm_up(self) -> None:
        """Nothing is left to do: the model was loaded when the engine was made."""

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._worker.shutdown(wait=True)
            self._model = self._tokenizer = None

    def _submit(self, work: Callable[[], Any]) -> Any:
        if self._closed:
            raise ModelError("this engine is closed")
        return self._worker.submit(work)

    def _on_worker(self, work: Callable[[], Result]) -> Result:
        return self._submit(work).result()

    def _check(self, request: GenerationRequest) -> None:
        if self._closed:
            raise ModelError("this engine is closed")
        if request.adapter is not None and request.adapter not in self._adapters:
            known = ", ".join(self.adapters()) or "none"
            raise ModelError(f"no adapter {request.adapter!r}; loaded: {known}", subject=request)

    # Below: only on the worker thread.

    def _load(self, context: int, threads: int | None, device: str, dtype: str) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging

        logging.set_verbosity_error()
        logging.disable_progress_bar()
        if threads:
            torch.set_num_threads(threads)
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if dtype == "auto":
            dtype = "bfloat16" if device.startswith("cuda") else "float32"
        try:
            model: Any = AutoModelForCausalLM.from_pretrained(self._folder, dtype=getattr(torch, dtype))
            self._model = model.to(device)
            self._tokenizer = AutoTokenizer.from_pretrained(self._folder)
        except Exception as error:  # the loaders raise errors of many kinds; each means "not a usable model"
            raise ModelError(
                f"transformers cannot load {str(self._folder)!r}: {error}", subject=self._folder
            ) from error
        self._model.eval()
        limit = getattr(self._model.config.get_text_config(), "max_position_embeddings", None)
        self._context = min(context, limit or context)
        self._device = torch.device(device)
        known: Mapping[str, int] = self._tokenizer.get_vocab()
        ends = self._model.generation_config.eos_token_id
        listed: Sequence[int] = ends if isinstance(ends, list) else [] if ends is None else [ends]
        self._ends = {
            *listed,
            self._tokenizer.eos_token_id,
            *(known[text] for text in _END_TOKENS if text in known),
        }

    def _load_adapter(self, name: str, files: AdapterFiles) -> None:
        from peft import PeftModel

        base = self._model.get_base_model() if self._adapters else self._model
        modules = dict(base.named_modules())
        for module, (low, high) in files.tensors().items():
            found = modules.get(module)
            shape = tuple(found.weight.shape) if found is not None and hasattr(found, "weight") else None
            if shape != (high.shape[0], low.shape[1]):
                raise ModelError(
                    f"adapter {str(files.folder)!r}: {module!r} of shape {(high.shape[0], low.shape[1])} "
                    f"does not fit the base, which has {shape or 'no such layer'}; it is for another base",
                    subject=files.folder,
                )
        inner = f"adapter{self._loaded_adapters}"
        self._loaded_adapters += 1
        options: dict[str, Any] = {"is_trainable": False, "autocast_adapter_dtype": False}
        if isinstance(self._model, PeftModel):
            self._model.load_adapter(str(files.folder), adapter_name=inner, **options)
        else:
            self._model = PeftModel.from_pretrained(
                self._model, str(files.folder), adapter_name=inner, **options
            )
        self._model.eval()
        replaced = self._adapters.get(name)
        self._adapters[name] = inner
        if replaced is not None:
            self._model.set_adapter(inner, inference_mode=True)
            self._model.delete_adapter(replaced)

    def _with_adapter(self, adapter: str | None) -> AbstractContextManager[Any]:
        """Switch the model to a request's adapter, or to none."""
        if adapter is not None:
            self._model.set_adapter(self._adapters[adapter], inference_mode=True)
            return nullcontext()
        return self._model.disable_adapter() if self._adapters else nullcontext()

    def _prompt(self, request: GenerationRequest) -> list[int]:
        ids = self.prompt_tokens(request)
        if len(ids) >= self._context:
            raise ModelError(
                f"the prompt has {len(ids)} tokens, but the context holds {self._context}: "
                "give fewer or shorter passages, or raise COLLEGIUM_CONTEXT",
                subject=request,
            )
        return ids

    def _generate(self, request: GenerationRequest, emit: Emit) -> None:
        """1 read the prompt, 2 pick a token, 3 show its text, 4 read it; until an end or the limit."""
        import torch
        from transformers import DynamicCache

        started = time.perf_counter()
        ids = self._prompt(request)
        room = min(request.max_tokens, self._context - len(ids))
        text = TextStream(self._decode, request.stop)
        if request.json_schema is not None:
            raise ModelError(
                "the torch engine cannot hold its output to a JSON schema; use llamacpp for that"
            )
        random = torch.Generator(self._device).manual_seed(request.seed)
        cache = DynamicCache(config=self._model.config)
        feed = ids
        with torch.inference_mode(), self._with_adapter(request.adapter):
            for count in range(1, room + 1):
                token = _pick(self._forward(feed, cache), request.temperature, random)
                ended = token in self._ends
                shown = text.end() if ended else text.add(token)
                if emit(Piece(shown)):
                    return
                if ended or text.stopped:
                    emit(Piece("", "stop", len(ids), count, time.perf_counter() - started))
                    return
                feed = [token]
        emit(Piece(text.end()))
        emit(Piece("", "length", len(ids), room, time.perf_counter() - started))

    def _next_logprobs(self, request: GenerationRequest, count: int) -> dict[str, float]:
        import torch
        from transformers import DynamicCache

        with torch.inference_mode(), self._with_adapter(request.adapter):
            logits = self._forward(self._prompt(request), DynamicCache(config=self._model.config))
        best = torch.log_softmax(logits, dim=-1).topk(count)
        result: dict[str, float] = {}
        for token, value in zip(best.indices.tolist(), best.values.tolist(), strict=True):
            result.setdefault(self._decode([token]), value)
        return result

    def _forward(self, ids: Sequence[int], cache: Any) -> torch.Tensor:
        """Logits (vocabulary,) in float32 after these tokens; the cache grows by them."""
        import torch

        inputs = torch.tensor([ids], device=self._device)  # (1, tokens)
        output = self._model(input_ids=inputs, past_key_values=cache, use_cache=True, logits_to_keep=1)
        return output.logits[0, -1].float()

    def _decode(self, ids: Sequence[int]) -> str:
        return self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)


def _pick(logits: torch.Tensor, temperature: float, random: torch.Generator) -> int:
    """The likeliest token at temperature 0, else one drawn from the likeliest that hold 95 % together."""
    import torch

    if temperature <= 0:
        return int(logits.argmax())
    values, tokens = logits.sort(descending=True)
    mass = torch.softmax(values, dim=-1).cumsum(dim=-1)
    keep = int((mass < _TOP_P).sum()) + 1
    chances = torch.softmax(values[:keep] / temperature, dim=-1)
    return int(tokens[torch.multinomial(chances, 1, generator=random)])

"""The training loop that gradient methods share: schedule, evaluation, early stopping, best kept, resume.

Knows no task: a method gives its batches, a loss, an evaluation and a way to save its artefact.
"""

from __future__ import annotations

import ctypes
import math
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pydantic import Field
from safetensors.numpy import load_file, save_file

from skills.files import read_json, write_json
from skills.learning.run import Run, TrainingConfig

if TYPE_CHECKING:
    import torch

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Parameters of mallopt(3)."""

Progress = Callable[[int, int, str], None]
"""Called with (steps done, steps in all, message)."""


def quiet(done: int, total: int, message: str) -> None:
    """A Progress that shows nothing."""


class LoopConfig(TrainingConfig):
    """Settings of every gradient method."""

    rank: int = Field(default=16, ge=1, le=256)
    """Rank of the LoRA matrices."""
    alpha: int = Field(default=32, ge=1)
    """LoRA scale is alpha / rank."""
    dropout: float = Field(default=0.05, ge=0, lt=1)
    learning_rate: float = Field(default=6e-4, gt=0)
    warmup: float = Field(default=0.06, ge=0, lt=1)
    """Share of the steps with a rising rate; after it the rate falls as a cosine."""
    epochs: float = Field(default=2, gt=0)
    batch_tokens: int = Field(default=1536, ge=128)
    """Padded tokens a step."""
    evaluations: int = Field(default=5, ge=1)
    """Evaluations on dev over the whole run; the best checkpoint is kept."""
    patience: int = Field(default=2, ge=1)
    """Evaluations without a better dev score before the run stops."""


def set_up(config: TrainingConfig) -> torch.device:
    """Threads, memory and seed of a run, and the device it takes: a GPU where there is one."""
    import torch

    _keep_heap()
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _keep_heap() -> None:
    """Let the C library keep what is freed for the next batch; only glibc can.

    Batches differ in shape: each large tensor was handed back to the system and asked for again, and filling in the
    pages took a fifth of a run's time.
    """
    with suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, 1 << 30)
        mallopt(_TRIM_THRESHOLD, (1 << 31) - 1)


def padded(rows: Sequence[Sequence[int]], device: torch.device) -> torch.Tensor:
    """Rows of numbers as one tensor, (rows, longest), filled with 0."""
    import torch

    result = torch.zeros((len(rows), max(map(len, rows))), dtype=torch.long)
    for number, row in enumerate(rows):
        result[number, : len(row)] = torch.tensor(row)
    return result.to(device)


class Sized(Protocol):
    @property
    def tokens(self) -> int: ...


Item = TypeVar("Item", bound=Sized)


def make_batches(items: Sequence[Item], config: LoopConfig) -> list[list[Item]]:
    """Batches of similar length for all epochs, in random order; a given seed always gives the same ones."""
    shuffle = random.Random(config.seed)
    whole: list[list[Item]] = []
    remaining = config.epochs
    while remaining > 1e-9:
        epoch = shuffle.sample(list(items), max(1, round(len(items) * min(1.0, remaining))))
        keyed = sorted(((item.tokens + shuffle.uniform(-8, 8), index) for index, item in enumerate(epoch)))
        batches: list[list[Item]] = []
        width = 0
        for _, index in keyed:
            item = epoch[index]
            width = max(width, item.tokens)
            if not batches or width * (len(batches[-1]) + 1) > config.batch_tokens:
                batches.append([])
                width = item.tokens
            batches[-1].append(item)
        shuffle.shuffle(batches)
        whole += batches
        remaining -= 1
    return whole


def fit(
    run: Run,
    config: LoopConfig,
    batches: Sequence[Sequence[Item]],
    trainable: Mapping[str, torch.nn.Parameter],
    *,
    loss_of: Callable[[Sequence[Item]], torch.Tensor],
    evaluate: Callable[[], Mapping[str, float]],
    criterion: Sequence[str],
    save: Callable[[Path], None],
    progress: Progress,
) -> dict[str, Any]:
    """Train, and keep in ``out/best`` what scores best on dev.

    ``evaluate`` gives named dev scores; ``criterion`` names those to lower, the first first. AdamW, gradients
    clipped to norm 1. Returns the best scores with steps and tokens.
    """
    import torch

    optimizer = torch.optim.AdamW(
        trainable.values(), lr=config.learning_rate, weight_decay=0.0, betas=(0.9, 0.99)
    )
    steps = len(batches)
    every = max(1, math.ceil(steps / config.evaluations))
    step, misses, seen = 0, 0, 0
    best: dict[str, float] = {}
    if run.checkpoint is not None:
        state = read_json(run.checkpoint / "state.json")
        step, best, misses, seen = state["step"], state["best"], state["misses"], state["tokens"]
        _load_state(run.checkpoint / "state.safetensors", trainable, optimizer)
    else:
        run.record(step=0, **evaluate())
    running: list[float] = []
    while step < steps and misses < config.patience:
        # Dropout masks depend on the step alone, so that a resumed run equals one that was never stopped.
        torch.manual_seed(config.seed + step)
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * _rate(step, steps, config.warmup)
        loss = loss_of(batches[step])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(trainable.values()), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        running.append(float(loss.detach()))
        seen += sum(item.tokens for item in batches[step])
        step += 1
        progress(step, steps, f"loss {sum(running[-20:]) / len(running[-20:]):.3f}")
        if step % every and step < steps:
            continue
        scores = dict(evaluate())
        run.record(step=step, loss=sum(running) / len(running), **scores, tokens=seen)
        running.clear()
        if not best or [scores[name] for name in criterion] < [best[name] for name in criterion]:
            best, misses = scores, 0
            with run.save("best") as partial:
                save(partial)
        else:
            misses += 1
        with run.save("checkpoint") as partial:
            _save_state(partial / "state.safetensors", trainable, optimizer)
            write_json(partial / "state.json", {"step": step, "best": best, "misses": misses, "tokens": seen})
    parameters = sum(parameter.numel() for parameter in trainable.values())
    return {**best, "steps": step, "of_steps": steps, "tokens": seen, "trainable_parameters": parameters}


def _rate(step: int, steps: int, warmup: float) -> float:
    """Share of the learning rate at a step: linear warm-up, then a cosine down to a twentieth."""
    rising = max(1.0, steps * warmup)
    if step < rising:
        return (step + 1) / rising
    return 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1.0, steps - rising)))


def _save_state(
    path: Path, trainable: Mapping[str, torch.nn.Parameter], optimizer: torch.optim.Optimizer
) -> None:
    tensors: dict[str, Any] = {}
    for name, parameter in trainable.items():
        tensors[f"value/{name}"] = parameter.detach().float().cpu().numpy()
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[f"{key}/{name}"] = value.detach().float().cpu().numpy()
    save_file(tensors, path)


def _load_state(
    path: Path, trainable: Mapping[str, torch.nn.Parameter], optimizer: torch.optim.Optimizer
) -> None:
    import torch

    tensors = load_file(path)
    for name, parameter in trainable.items():
        parameter.data.copy_(torch.from_numpy(tensors[f"value/{name}"]))
        keys = [key for key in ("step", "exp_avg", "exp_avg_sq") if f"{key}/{name}" in tensors]
        optimizer.state[parameter] = {key: torch.from_numpy(tensors[f"{key}/{name}"]) for key in keys}

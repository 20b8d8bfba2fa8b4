"""A linear head on what an encoder makes of a text: made, trained, saved and gone on from in one way.

That of a whole text sees [CLS] and the mean of the last hidden states, side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.numpy import save_file

from skills.errors import UserError
from skills.learning.loop import padded
from skills.llm.precision import fast_products

if TYPE_CHECKING:
    import torch

HEAD_FILE = "head.safetensors"


def make_head(
    encoder: Any, outputs: int, start: Path | None, device: torch.device, *, inputs: int = 0
) -> torch.nn.Linear:
    """A head of zeros, or that of folder ``start``; ``inputs`` 0: one of whole texts.

    Raises UserError when there is none in the folder.
    """
    import torch
    from safetensors.torch import load_file

    head = torch.nn.Linear(inputs or 2 * encoder.config.hidden_size, outputs).to(device)
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    if start is not None:
        if not (start / HEAD_FILE).is_file():
            raise UserError(f"start {str(start)!r} holds no head: it has no {HEAD_FILE}", subject=start)
        head.load_state_dict(load_file(start / HEAD_FILE))
    return head


def trainable_of(encoder: Any, head: torch.nn.Linear) -> dict[str, torch.nn.Parameter]:
    """What is trained of both, by name."""
    found = {name: parameter for name, parameter in encoder.named_parameters() if parameter.requires_grad}
    return found | {f"head.{name}": parameter for name, parameter in head.named_parameters()}


def states_of(
    encoder: Any, ids: Sequence[Sequence[int]], types: Sequence[Sequence[int]] | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Last hidden states (texts, longest, width) of token ids and their mask (texts, longest)."""
    mask = padded([[1] * len(row) for row in ids], encoder.device)
    kinds = {} if types is None else {"token_type_ids": padded(types, encoder.device)}
    with fast_products(encoder.device):
        found = encoder(input_ids=padded(ids, encoder.device), attention_mask=mask, **kinds)
    return found.last_hidden_state.float(), mask


def outputs_of(
    encoder: Any,
    head: torch.nn.Linear,
    ids: Sequence[Sequence[int]],
    types: Sequence[Sequence[int]] | None = None,
) -> torch.Tensor:
    """(texts, outputs) of token ids; ``types``: their token types, of pairs."""
    import torch

    hidden, mask = states_of(encoder, ids, types)
    weight = mask.unsqueeze(-1).float()
    mean = (hidden * weight).sum(1) / weight.sum(1)  # (texts, width of the encoder)
    return head(torch.cat([hidden[:, 0], mean], dim=1))


def save_head(head: torch.nn.Linear, folder: Path) -> None:
    """Write the head into ``folder``."""
    tensors = {"weight": head.weight, "bias": head.bias}
    save_file(
        {name: value.detach().float().cpu().numpy() for name, value in tensors.items()}, folder / HEAD_FILE
    )

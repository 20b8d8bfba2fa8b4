"""Write a BertModel (embeddings and layers, no pooler) as an ONNX graph from its safetensors.

Architecture: Devlin et al. 2019, post-layer-norm, exact (erf) GELU. A PEFT LoRA is merged before writing:
``W += alpha / r * B @ A`` (Hu et al. 2021). Knows weights and graph nodes, nothing of tokenizers or sessions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from skills.errors import DataError, ModelError
from skills.files import atomic_folder, read_json

if TYPE_CHECKING:
    from onnx import ModelProto

Precision = Literal["fp32", "int8"]
Weights = dict[str, NDArray[np.float32]]

GRAPH_VERSION = "1"
"""Part of the cache key of written graphs: raise it whenever this file changes what it writes."""

_MICROSOFT = "com.microsoft"  # ONNX Runtime's own operators, all with CPU kernels
_PREFIXES = ("base_model.model.", "bert.")
_WORDS = "embeddings.word_embeddings.weight"


@dataclass(frozen=True, slots=True)
class BertConfig:
    """The fields of ``config.json`` that shape the graph."""

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int
    layer_norm_eps: float


def read_config(folder: Path) -> BertConfig:
    """Read and check ``config.json``. Raises ModelError for a model that this graph cannot express."""
    try:
        raw = read_json(folder / "config.json")
    except DataError as error:
        raise ModelError(f"encoder folder {str(folder)!r}: {error}", subject=folder) from error
    for key, wanted in (
        ("model_type", "bert"),
        ("hidden_act", "gelu"),
        ("position_embedding_type", "absolute"),
    ):
        if raw.get(key, wanted) != wanted:
            raise ModelError(
                f"encoder {str(folder)!r}: {key} is {raw[key]!r}, expected {wanted!r}", subject=folder
            )
    try:
        return BertConfig(
            hidden_size=int(raw["hidden_size"]),
            num_hidden_layers=int(raw["num_hidden_layers"]),
            num_attention_heads=int(raw["num_attention_heads"]),
            intermediate_size=int(raw["intermediate_size"]),
            max_position_embeddings=int(raw["max_position_embeddings"]),
            layer_norm_eps=float(raw.get("layer_norm_eps", 1e-12)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"encoder {str(folder)!r}: config.json: bad or no {error}", subject=folder
        ) from error


def _bare(name: str) -> str:
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name


def _read_weights(path: Path) -> Weights:
    from safetensors.numpy import load_file

    try:
        return {_bare(name): _read_as(_bare(name), value) for name, value in load_file(path).items()}
    except Exception as error:
        raise ModelError(f"{str(path)!r} cannot be read as safetensors: {error}", subject=path) from error


def _read_as(name: str, value: NDArray[Any]) -> NDArray[Any]:
    """Single precision; the largest table stays as it is stored, for it is only looked up in."""
    return value if name == _WORDS else value.astype(np.float32, copy=False)


def merge_lora(weights: Weights, folder: Path) -> None:
    """Add a PEFT LoRA folder to ``weights`` in place. Heads saved beside the LoRA are left to the caller.

    Raises ModelError for a LoRA of another shape or kind, or that names layers these weights have not.
    """
    try:
        config = read_json(folder / "adapter_config.json")
    except DataError as error:
        raise ModelError(f"LoRA folder {str(folder)!r}: {error}", subject=folder) from error
    for key in ("use_dora", "alpha_pattern", "rank_pattern", "fan_in_fan_out"):
        if config.get(key):
            raise ModelError(
                f"LoRA {str(folder)!r} sets {key!r}, which cannot be merged here", subject=folder
            )
    tensors = _read_weights(folder / "adapter_model.safetensors")
    for name, down in tensors.items():  # down: (r, in), up: (out, r)
        if not name.endswith(".lora_A.weight"):
            continue
        target = name.removesuffix(".lora_A.weight")
        up = tensors.get(f"{target}.lora_B.weight")
        base = weights.get(f"{target}.weight")
        if up is None or base is None:
            raise ModelError(
                f"LoRA {str(folder)!r}: no weight {target!r} in this encoder to add it to", subject=folder
            )
        if (up.shape[0], down.shape[1]) != base.shape or up.shape[1] != down.shape[0]:
            raise ModelError(
                f"LoRA {str(folder)!r}: shapes of {target!r} do not fit {base.shape}", subject=folder
            )
        rank = down.shape[0]
        scale = float(config["lora_alpha"]) / (rank**0.5 if config.get("use_rslora") else rank)
        weights[f"{target}.weight"] = (base + scale * (up @ down)).astype(np.float32)


class _Graph:
    """Nodes and constants of a graph under construction; every method returns the name of its result."""

    def __init__(self, weights: Weights, precision: Precision, block: int) -> None:
        from onnx import helper, numpy_helper

        self._helper, self._numpy_helper = helper, numpy_helper
        self._weights, self._precision, self._block = weights, precision, block
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}

    def constant(self, name: str, value: NDArray[Any]) -> str:
        self.constants[name] = self._numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def weight(self, name: str) -> NDArray[np.float32]:
        try:
            return self._weights[name]
        except KeyError:
            raise ModelError(f"the encoder's safetensors have no {name!r}", subject=name) from None

    def parameter(self, name: str) -> str:
        return self.constant(name, self.weight(name))

    def nodes_of(
        self, kind: str, inputs: Sequence[str], outputs: int, domain: str = "", **attributes: Any
    ) -> list[str]:
        names = [f"{kind}_{len(self.nodes)}_{index}" for index in range(outputs)]
        self.nodes.append(self._helper.make_node(kind, inputs, names, domain=domain, **attributes))
        return names

    def node(self, kind: str, inputs: Sequence[str], domain: str = "", **attributes: Any) -> str:
        return self.nodes_of(kind, inputs, 1, domain, **attributes)[0]

    def linear(self, value: str, name: str, weight: NDArray[np.float32], bias: str = "") -> str:
        """``value @ weight.T (+ bias)``; weight: (out, in)."""
        if self._precision == "fp32":
            product = self.node("MatMul", [value, self.constant(f"{name}.weight", weight.T)])
            return self.node("Add", [product, bias]) if bias else product
        # A block of a row has one scale; 128 stands for zero. Activations are quantised by block as they
        # come (accuracy_level 4), so a text's result hardly depends on the rest of its batch.
        rows, columns = weight.shape
        blocks = weight.reshape(rows, columns // self._block, self._block)
        scales = np.maximum(np.abs(blocks).max(axis=2), 1e-12) / 127  # (rows, blocks)
        quantised = (np.clip(np.rint(blocks / scales[:, :, None]), -127, 127) + 128).astype(np.uint8)
        inputs = [
            value,
            self.constant(f"{name}.q", quantised),
            self.constant(f"{name}.scale", scales.astype(np.float32)),
        ]
        size = {"K": columns, "N": rows, "bits": 8, "block_size": self._block, "accuracy_level": 4}
        return self.node("MatMulNBits", [*inputs, "", "", bias] if bias else inputs, _MICROSOFT, **size)

    def add_and_norm(self, value: str, skip: str, name: str, epsilon: float) -> str:
        """``LayerNorm(value + dense bias + skip)`` of the block called ``name``."""
        inputs = [
            value,
            skip,
            self.parameter(f"{name}.LayerNorm.weight"),
            self.parameter(f"{name}.LayerNorm.bias"),
        ]
        inputs.append(self.parameter(f"{name}.dense.bias"))
        return self.node("SkipLayerNormalization", inputs, _MICROSOFT, epsilon=epsilon)


def _embeddings(graph: _Graph, config: BertConfig) -> str:
    from onnx import TensorProto

    tables = {name: f"embeddings.{name}_embeddings.weight" for name in ("token_type", "position")}
    words = graph.node("Gather", [graph.parameter(_WORDS), "input_ids"])
    if graph.weight(_WORDS).dtype == np.float16:
        words = graph.node("Cast", [words], to=TensorProto.FLOAT)
    types = graph.node("Gather", [graph.parameter(tables["token_type"]), "token_type_ids"])
    length = graph.node("Shape", ["input_ids"], start=1, end=2)
    zero = graph.constant("zero", np.array([0], dtype=np.int64))
    positions = graph.node("Slice", [graph.parameter(tables["position"]), zero, length, zero])
    total = graph.node("Add", [graph.node("Add", [words, types]), positions])
    norm = [graph.parameter(f"embeddings.LayerNorm.{part}") for part in ("weight", "bias")]
    return graph.node("LayerNormalization", [total, *norm], axis=-1, epsilon=config.layer_norm_eps)


def _layer(graph: _Graph, config: BertConfig, value: str, mask: str, name: str) -> str:
    parts = [f"{name}.attention.self.{part}" for part in ("query", "key", "value")]
    weight = np.concatenate([graph.weight(f"{part}.weight") for part in parts])  # (3 hidden, hidden)
    bias = np.concatenate([graph.weight(f"{part}.bias") for part in parts])
    joint = graph.linear(
        value, f"{name}.attention.qkv", weight, graph.constant(f"{name}.attention.qkv.bias", bias)
    )
    queries, keys, values = graph.nodes_of("Split", [joint], 3, axis=-1, num_outputs=3)
    heads = config.num_attention_heads
    attended = graph.node(
        "MultiHeadAttention", [queries, keys, values, "", mask], _MICROSOFT, num_heads=heads
    )
    output = f"{name}.attention.output"
    projected = graph.linear(attended, output, graph.weight(f"{output}.dense.weight"))
    value = graph.add_and_norm(projected, value, output, config.layer_norm_eps)
    up = f"{name}.intermediate.dense"
    wide = graph.linear(value, up, graph.weight(f"{up}.weight"))
    wide = graph.node("BiasGelu", [wide, graph.parameter(f"{up}.bias")], _MICROSOFT)
    narrow = graph.linear(wide, f"{name}.output", graph.weight(f"{name}.output.dense.weight"))
    return graph.add_and_norm(narrow, value, f"{name}.output", config.layer_norm_eps)


def _model(weights: Weights, config: BertConfig, precision: Precision) -> ModelProto:
    """Inputs ``input_ids, token_type_ids, attention_mask`` (batch, sequence) int64; output ``hidden``
    (batch, sequence, hidden_size) float32."""
    from onnx import TensorProto, helper

    blocks = [
        size for size in (128, 64, 32) if config.hidden_size % size == config.intermediate_size % size == 0
    ]
    if precision == "int8" and not blocks:
        raise ModelError(
            f"int8 needs layer widths divisible by 32, not {config.hidden_size}; use precision 'fp32'"
        )
    graph = _Graph(weights, precision, blocks[0] if blocks else 0)
    value = _embeddings(graph, config)
    mask = graph.node("Cast", ["attention_mask"], to=TensorProto.INT32)
    for index in range(config.num_hidden_layers):
        value = _layer(graph, config, value, mask, f"encoder.layer.{index}")
    graph.nodes[-1].output[0] = "hidden"
    shape = ["batch", "sequence"]
    inputs = ("input_ids", "token_type_ids", "attention_mask")
    body = helper.make_graph(
        graph.nodes,
        "bert",
        [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name in inputs],
        [helper.make_tensor_value_info("hidden", TensorProto.FLOAT, [*shape, config.hidden_size])],
        list(graph.constants.values()),
    )
    operators = [helper.make_opsetid("", 18), helper.make_opsetid(_MICROSOFT, 1)]
    return helper.make_model(body, opset_imports=operators, ir_version=9, producer_name="collegium")


def write_graph(model_folder: Path, lora: Path | None, precision: Precision, target: Path) -> None:
    """Write ``target/model.onnx`` and ``target/weights.bin`` atomically. Raises ModelError."""
    import onnx

    config = read_config(model_folder)
    weights = _read_weights(model_folder / "model.safetensors")
    if lora is not None:
        merge_lora(weights, lora)
    model = _model(weights, config, precision)
    weights.clear()
    with atomic_folder(target) as partial:
        onnx.save_model(
            model,
            str(partial / "model.onnx"),
            save_as_external_data=True,
            location="weights.bin",
            size_threshold=4096,
        )
        described: Mapping[str, object] = {
            "model": str(model_folder),
            "lora": str(lora) if lora else None,
            "precision": precision,
            "graph": GRAPH_VERSION,
        }
        (partial / "made_from.json").write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")

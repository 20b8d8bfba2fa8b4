"""Tiny random models for tests: the same weights as Hugging Face folder and as GGUF file, and LoRA adapters.

The GGUF file is written here from the format's definition and does not depend on the code under test.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from skills.files import write_json

if TYPE_CHECKING:
    from gguf import GGMLQuantizationType, GGUFWriter
    from transformers import PreTrainedTokenizerFast

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
_TEXT = [
    "The court may grant a loan to the patient at the rate of three percent.",
    "A contract, a dose and an interest: what is owed, what is taken, what is paid?",
    "system user assistant question answer evidence source sentence 0123456789",
]
_SIZES = {
    "vocab_size": 400,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "tie_word_embeddings": False,
    "rms_norm_eps": 1e-5,
}
_NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def make_model(folder: Path, architecture: str, **sizes: int) -> Path:
    """A random Llama or Qwen2 with a byte-level tokenizer and a chat template, as transformers saves it."""
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config

    torch.manual_seed(0)
    config = (LlamaConfig if architecture == "llama" else Qwen2Config)(**{**_SIZES, **sizes})
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    with torch.no_grad():  # larger than the usual start, so that the next token is not a coin toss
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.15)
        tokenizer = _tokenizer()
        known = tokenizer.convert_ids_to_tokens(range(_SIZES["vocab_size"]))
        for number, token in enumerate(known):
            # It never says half a character, a special or an unknown token.
            if token is None or token in _SPECIAL or not re.fullmatch(r"[Ġ!-~]+", token):
                model.lm_head.weight[number] = 0
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _tokenizer() -> PreTrainedTokenizerFast:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_SIZES["vocab_size"],
        special_tokens=_SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
        min_frequency=1,
    )
    tokenizer.train_from_iterator(_TEXT * 3, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        unk_token="<|endoftext|>",
        chat_template=TEMPLATE,
    )


def make_adapter(
    folder: Path,
    base: Path,
    *,
    base_sha256: str = "",
    seed: int = 1,
    strength: float = 0.7,
    **options: object,
) -> Path:
    """A LoRA with random A and B (a fresh one would do nothing) over all linear layers, saved by PEFT."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM", **options)
    model = get_peft_model(model, config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.copy_(torch.randn_like(parameter) / parameter.shape[1] ** 0.5 * strength)
    model.save_pretrained(folder)
    if base_sha256:
        write_json(folder / "collegium.json", {"base_sha256": base_sha256})
    return folder


def write_gguf(path: Path, folder: Path, *, quantised: GGMLQuantizationType | None = None) -> Path:
    """The weights and tokenizer of a folder of ``make_model`` as a GGUF file: float32, or its layers quantised."""
    import torch
    from gguf import GGUFWriter, quants
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    config, kind = model.config, model.config.model_type
    writer = GGUFWriter(path, kind)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_vocab_size(config.vocab_size)
    _write_tokenizer(writer, tokenizer, config.vocab_size)
    for name, tensor in model.state_dict().items():
        values = tensor.numpy()
        if kind == "llama" and ".q_proj." in name:
            values = _interleave(values, config.num_attention_heads)
        if kind == "llama" and ".k_proj." in name:
            values = _interleave(values, config.num_key_value_heads)
        values = np.ascontiguousarray(values)
        if quantised is not None and "_proj." in name and name.endswith(".weight"):
            writer.add_tensor(_gguf_name(name), quants.quantize(values, quantised), raw_dtype=quantised)
        else:
            writer.add_tensor(_gguf_name(name), values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _write_tokenizer(writer: GGUFWriter, tokenizer: PreTrainedTokenizerFast, size: int) -> None:
    from gguf import TokenType

    described = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    by_id = {number: token for token, number in described["vocab"].items()}
    tokens = [by_id.get(number, f"[unused{number}]") for number in range(size)]
    kinds = [
        TokenType.CONTROL
        if t in _SPECIAL
        else TokenType.UNUSED
        if t.startswith("[unused")
        else TokenType.NORMAL
        for t in tokens
    ]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([" ".join(pair) for pair in described["merges"]])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)


def _gguf_name(name: str) -> str:
    fixed = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}
    if name in fixed or name == "lm_head.weight":
        return fixed.get(name, "output.weight")
    _, _, layer, rest = name.split(".", 3)
    module, kind = rest.rsplit(".", 1)
    return f"blk.{layer}.{_NAMES[module]}.{kind}"


def _interleave(values: np.ndarray, heads: int) -> np.ndarray:
    """Row h*d + i + half*d/2 of head h goes to h*d + 2*i + half: rotary pairs side by side."""
    width = values.shape[0] // heads
    result = np.empty_like(values)
    for head in range(heads):
        for pair in range(width // 2):
            for half in range(2):
                result[head * width + 2 * pair + half] = values[head * width + pair + half * width // 2]
    return result

"""A decoder as one GGUF file, the format of llama.cpp: weights, tokenizer and chat template.

Supports Qwen 2, Qwen 3 and Llama with a byte-level BPE. The ``gguf`` package of llama.cpp has the writer, the names and the
quantizers, but no converter: that is a script in llama.cpp's repository, which no maintained package holds. The script also
knows a tokenizer by the hash of what it makes of one text, and refuses one that was learnt or extended here; so this is a
converter of our own, as small as our architectures allow.

llama.cpp cuts text into words by one of a fixed list of rules and not by the tokenizer's own. Which of them cuts most of a
sample of texts into the tokenizer's own tokens is tried, and told. Its rules do not normalise text to NFC as Qwen's do.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from tokenizers import Regex, Tokenizer, pre_tokenizers
from transformers import AutoConfig, PreTrainedTokenizerBase
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from corpora.bundled.render import render
from corpora.errors import OslerError
from pipelines import loading, model_sources, training
from pipelines.training.weights import Weights

ARCHITECTURES = {
    "llama": gguf.MODEL_ARCH.LLAMA,
    "qwen2": gguf.MODEL_ARCH.QWEN2,
    "qwen3": gguf.MODEL_ARCH.QWEN3,
}
TYPES = {
    "f32": (gguf.GGMLQuantizationType.F32, gguf.LlamaFileType.ALL_F32),
    "f16": (gguf.GGMLQuantizationType.F16, gguf.LlamaFileType.MOSTLY_F16),
    "bf16": (gguf.GGMLQuantizationType.BF16, gguf.LlamaFileType.MOSTLY_BF16),
    "q8_0": (gguf.GGMLQuantizationType.Q8_0, gguf.LlamaFileType.MOSTLY_Q8_0),
}

# llama.cpp's rules for words (src/llama-vocab.cpp, llm_tokenizer_bpe), as the tokenizers library writes them.
_QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def _split(regex: str) -> Any:
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(regex), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def _rules() -> dict[str, Any]:
    """By llama.cpp's name for it, each rule that is tried."""
    by_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False)  # with GPT-2's expression
    return {
        "qwen2": _split(_QWEN2),
        "llama-bpe": _split(_QWEN2.replace(r"|\p{N}|", r"|\p{N}{1,3}|")),
        "smollm": pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), by_bytes]),
        "gpt-2": by_bytes,
    }


# What tells the rules apart: numbers, apostrophes, line ends, spaces, brackets, other scripts.
PROBES = (
    "In 2024, 1234567 people; 3.14 mg/dL (0.5-1.0), 12/31/1999.",
    "I'm sure they've said it isn't what we'll do; she'd agree, IT'S 'quoted' and 'tis so.",
    "One line.\nAnother.\n\n\nA third, after two empty ones.\r\n\tTabs\t\tand   spaces   \n  - a list\n",
    'def f(x):\n    return {"a": [x**2, -x]} # comment\n',
    "糖尿病患者应监测血糖，HbA1c<7%。二甲双胍500mg，每日2次。",
    "Müller's naïve café – “déjà vu” … 🙂👍🏽 élève",
    "日本語とかな、한국어 문장, русский язык, عربى, ไทย",
)
LEAST_ALIKE = 0.95  # share of texts that must be cut alike, or the file would be of another tokenizer


class ExportError(OslerError):
    """A model that cannot be written in the format that was asked for."""


def nearest_rule(tokenizer: PreTrainedTokenizerBase) -> tuple[str, float]:
    """llama.cpp's rule that cuts text most like the tokenizer, and the share of the texts that it cuts into the same tokens.

    The texts are ``PROBES`` and a tenth of the bundled documents and general text.

    Raises:
        ExportError: none comes near.
    """
    texts = [*PROBES]
    for name in ("bundled-documents", "bundled-general"):
        texts += [str(getattr(record, "text", "")) for record in render(name)]
    wanted = [one.ids for one in tokenizer.backend_tokenizer.encode_batch(texts, add_special_tokens=False)]
    alike: dict[str, float] = {}
    for name, rule in _rules().items():
        other = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        other.pre_tokenizer = rule
        found = [one.ids for one in other.encode_batch(texts, add_special_tokens=False)]
        alike[name] = sum(a == b for a, b in zip(wanted, found, strict=True)) / len(texts)
    best = max(alike, key=alike.__getitem__)
    if alike[best] < LEAST_ALIKE:
        raise ExportError(
            f"{tokenizer.name_or_path}: llama.cpp has no rule that cuts text as this tokenizer does (the nearest, {best}, does so "
            f"for {alike[best]:.0%} of the texts tried); serve the model with vLLM instead"
        )
    return best, alike[best]


def _tokens(tokenizer: PreTrainedTokenizerBase, rows: int) -> tuple[list[str], list[gguf.TokenType]]:
    """Each row's token and what kind it is; a row that has none is filled."""
    names = {number: token for token, number in tokenizer.get_vocab().items()}
    if max(names) >= rows:
        raise ExportError(f"{tokenizer.name_or_path}: {max(names) + 1} tokens and only {rows} rows of embeddings")
    tokens, kinds = [], []
    for number in range(rows):
        added = tokenizer.added_tokens_decoder.get(number)
        tokens.append(names.get(number, f"[PAD{number}]"))
        if number not in names:
            kinds.append(gguf.TokenType.UNUSED)
        elif added is None:
            kinds.append(gguf.TokenType.NORMAL)
        else:
            kinds.append(gguf.TokenType.CONTROL if added.special else gguf.TokenType.USER_DEFINED)
    return tokens, kinds


def _add_tokenizer(writer: gguf.GGUFWriter, folder: Path, rows: int) -> tuple[str, float]:
    """Writes the tokenizer and its chat template; returns as ``nearest_rule``."""
    tokenizer = loading.load_tokenizer(folder)
    layout = json.loads(tokenizer.backend_tokenizer.to_str())
    if layout["model"]["type"] != "BPE" or "ByteLevel" not in json.dumps(layout["pre_tokenizer"]):
        raise ExportError(f"{folder}: only byte-level BPE tokenizers are written as GGUF, and this one is none")
    rule, alike = nearest_rule(tokenizer)
    tokens, kinds = _tokens(tokenizer, rows)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(rule)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    gguf.SpecialVocab(folder, load_merges=True, n_vocab=rows).add_to_gguf(writer, quiet=True)
    for mark in training.TURN_ENDS:
        if mark in tokenizer.get_vocab():
            writer.add_eot_token_id(tokenizer.convert_tokens_to_ids(mark))
    if gguf.Keys.Tokenizer.ADD_BOS not in writer.kv_data[0]:
        writer.add_add_bos_token(False)  # llama.cpp would add one by some of its rules
    return rule, alike


def _add_shape(writer: gguf.GGUFWriter, config: Any) -> None:
    """Writes the model's shape, and how it marks positions.

    Raises:
        ExportError: positions are scaled in a way that is not known here.
    """
    heads = config.num_attention_heads
    head = getattr(config, "head_dim", None) or config.hidden_size // heads
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_rope_dimension_count(head)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    rope = config.rope_parameters
    writer.add_rope_freq_base(rope["rope_theta"])
    kind = rope["rope_type"]
    if kind == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])
    elif kind == "yarn":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(rope["factor"])
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
    elif kind not in ("default", "llama3"):
        raise ExportError(
            f"positions scaled by rope_type {kind} cannot be written as GGUF here; linear, yarn and llama3 can"
        )


def _interleaved(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """Rows of a query's or key's projection in llama.cpp's order for Llama, which turns neighbours and not halves of a head."""
    return weight.view(heads, 2, -1, *weight.shape[1:]).transpose(1, 2).reshape(weight.shape)


def _tensors(weights: Weights, config: Any) -> Iterator[tuple[str, str | None, tuple[int, ...]]]:
    """Of each tensor its name in the file, its name in the model (None where it is computed) and its shape."""
    names = gguf.get_tensor_name_map(ARCHITECTURES[config.model_type], config.num_hidden_layers)
    if config.rope_parameters["rope_type"] == "llama3":
        head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        yield "rope_freqs.weight", None, (head // 2,)
    for key in weights.files:
        name = names.get_name(key, try_suffixes=(".weight", ".bias"))
        if name is None:
            raise ExportError(f"{weights.folder}: llama.cpp has no name for the tensor '{key}'")
        yield name, key, weights.shape(key)


def _read(weights: Weights, key: str | None, config: Any) -> np.ndarray[Any, Any]:
    """A tensor in float32 as llama.cpp lays it out."""
    array: np.ndarray[Any, Any]
    if key is None:  # by how much each frequency is slowed
        theta = config.rope_parameters["rope_theta"]
        slowed, _ = ROPE_INIT_FUNCTIONS["llama3"](config, torch.device("cpu"))
        plain = theta ** -(torch.arange(0, 2 * len(slowed), 2) / (2 * len(slowed)))
        array = (plain / slowed).float().numpy()
        return array
    tensor = weights.read(key).float()
    if config.model_type == "llama" and ".self_attn." in key:
        for part, heads in (("q_proj", config.num_attention_heads), ("k_proj", config.num_key_value_heads)):
            if part in key:
                tensor = _interleaved(tensor, heads)
    array = tensor.numpy()
    return array


def write_gguf(source: Path, target: Path, kind: str) -> tuple[str, float]:
    """Writes the model in the folder ``source`` to the file ``target``, one tensor in memory at a time.

    Args:
        source: a model as transformers saves it.
        target: the file.
        kind: "f32", "f16", "bf16" or "q8_0": of the matrices; vectors are float32, and a matrix whose rows are no multiple of
            32 numbers is f16 where q8_0 was asked.

    Returns:
        As ``nearest_rule``.

    Raises:
        ExportError: the architecture, its positions or its tokenizer are not among those that can be written.
        WeightsError: there are no safetensors.
    """
    config = AutoConfig.from_pretrained(source, **model_sources.loading(source, weights=False))
    if config.model_type not in ARCHITECTURES:
        raise ExportError(
            f"{source}: a model of type {config.model_type} cannot be written as GGUF; {', '.join(ARCHITECTURES)} can"
        )
    wanted, file_type = TYPES[kind]
    draft = target.with_name(target.name + ".draft")
    with ExitStack() as stack:
        weights = Weights(source, stack)
        writer = gguf.GGUFWriter(draft, gguf.MODEL_ARCH_NAMES[ARCHITECTURES[config.model_type]])
        writer.add_name(target.stem)
        writer.add_file_type(file_type)
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
        _add_shape(writer, config)
        found = _add_tokenizer(writer, source, config.vocab_size)
        order = []
        for name, key, shape in _tensors(weights, config):
            quantized = gguf.GGMLQuantizationType.F32 if len(shape) == 1 else wanted
            if quantized == gguf.GGMLQuantizationType.Q8_0 and shape[-1] % 32:
                quantized = gguf.GGMLQuantizationType.F16
            block, size = gguf.GGML_QUANT_SIZES[quantized]
            count = int(np.prod(shape)) // block * size
            writer.add_tensor_info(name, shape, np.dtype(np.float32), count, raw_dtype=quantized)
            order.append((key, quantized))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for key, quantized in order:
            writer.write_tensor_data(gguf.quants.quantize(_read(weights, key, config), quantized))
        writer.close()
    draft.replace(target)
    return found

"""What is exported is the model: transformers reads the GGUF file to the same logits, and the shards to the same weights.

llama.cpp itself (xllamacpp 2026.10.11549, a build of 2026-10) was run once on the bundled base written as f32: it cut all 476
texts of the bundled corpora into the same tokens, and continued three openings and a chat by the same 40 tokens as transformers;
as bf16, f16 and q8_0 the opening that was tried as well. Of the random models below (Llama with plain and with Llama 3's positions,
Qwen 2 with biases, Qwen 3), written as f32, it gave the same 30 tokens.
"""

import json
from pathlib import Path

import gguf
import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    set_seed,
)
from typer.testing import CliRunner

from corpora.errors import OslerError
from pipelines import loading, training
from pipelines.cli import app
from pipelines.init import train_tokenizer
from pipelines.release.export import export_shards, model_folder
from pipelines.release.gguf import ExportError, nearest_rule, write_gguf
from pipelines.training.weights import INDEX

SHAPE = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "initializer_range": 0.2,
}


def made(folder: Path, kind: str, **more) -> Path:
    """A small model of random weights, biases and norms too, with a tokenizer of bytes and a few words."""
    make, model_class = {
        "llama": (LlamaConfig, LlamaForCausalLM),
        "qwen2": (Qwen2Config, Qwen2ForCausalLM),
        # 128 is what transformers takes for granted on reading; another size is in the file, for llama.cpp.
        "qwen3": (lambda **given: Qwen3Config(head_dim=128, **given), Qwen3ForCausalLM),
    }[kind]
    tokenizer = train_tokenizer(["the patient with the disease"] * 3, 290, 128)
    set_seed(1)
    model = model_class(make(vocab_size=len(tokenizer) + 3, **SHAPE, **more))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.3 * torch.randn_like(parameter))
    training.save_model(model, tokenizer, folder)
    return folder


def logits(model) -> torch.Tensor:
    with torch.inference_mode():
        return model.eval()(torch.arange(5, 45)[None]).logits


@pytest.mark.parametrize(
    ("kind", "form", "tolerance"),
    [
        ("llama", "f32", 1e-4),
        ("qwen2", "f32", 1e-4),
        ("qwen3", "f32", 1e-4),
        ("qwen3", "bf16", 1e-4),
        ("qwen3", "f16", 0.05),
        ("qwen3", "q8_0", 0.5),
    ],
)
def test_transformers_reads_the_same_model_from_gguf(tmp_path: Path, kind: str, form: str, tolerance: float):
    source = made(tmp_path / "model", kind)
    write_gguf(source, tmp_path / "out.gguf", form)
    read = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file="out.gguf", dtype=torch.float32)
    wanted = logits(loading.load_model(source))
    assert wanted.std() > 0.5
    assert torch.allclose(logits(read), wanted, atol=tolerance)


def fields(path: Path):
    """What is written in the file, by key."""
    reader = gguf.GGUFReader(path)
    return lambda key: reader.fields[key].contents()


def test_the_tokenizer_and_the_chat_template_are_in_the_file(tmp_path: Path, base_model: Path):
    path = tmp_path / "base.gguf"
    rule, alike = write_gguf(base_model, path, "q8_0")
    tokenizer, field = loading.load_tokenizer(base_model), fields(path)
    assert field("tokenizer.chat_template") == tokenizer.chat_template
    tokens = field("tokenizer.ggml.tokens")
    assert tokens == [tokenizer.convert_ids_to_tokens(number) for number in range(len(tokenizer))]
    assert field("tokenizer.ggml.eos_token_id") == tokenizer.eos_token_id
    assert field("tokenizer.ggml.eot_token_id") == tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert field("tokenizer.ggml.add_bos_token") is False
    kinds = field("tokenizer.ggml.token_type")
    assert kinds[tokenizer.convert_tokens_to_ids("<|im_end|>")] == gguf.TokenType.CONTROL
    assert kinds[tokenizer.convert_tokens_to_ids("<think>")] == gguf.TokenType.USER_DEFINED
    assert field("tokenizer.ggml.pre") == rule
    assert alike == 1.0
    assert field("qwen3.attention.key_length") == 64  # not hidden size by heads, which is the default


def test_rows_without_a_token_are_filled(tmp_path: Path):
    write_gguf(made(tmp_path / "model", "qwen2"), tmp_path / "out.gguf", "f16")
    tokens = fields(tmp_path / "out.gguf")("tokenizer.ggml.tokens")
    count = len(loading.load_tokenizer(tmp_path / "model"))
    assert tokens[count:] == [f"[PAD{number}]" for number in range(count, count + 3)]


def test_llama_3_positions_are_written_as_factors_of_each_frequency(tmp_path: Path):
    rope = {
        "rope_type": "llama3",
        "rope_theta": 10000.0,
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64,
    }
    source = made(tmp_path / "model", "llama", rope_parameters=rope)
    write_gguf(source, tmp_path / "out.gguf", "f32")
    (factors,) = [one.data for one in gguf.GGUFReader(tmp_path / "out.gguf").tensors if one.name == "rope_freqs.weight"]
    # Wavelengths 2 pi 10000^(i/8): below 64/4 unchanged, above 64/1 eight times as slow (Llama 3.1's apply_scaling).
    assert factors[0] == pytest.approx(1.0)
    assert factors[1] > 1
    assert factors[3:].tolist() == pytest.approx([8.0] * 5)


def test_the_rule_for_words_is_found_by_trial():
    """Of a tokenizer that joins three digits Llama 3's rule is the only one that fits."""
    texts = [f"The dose was {n}{n + 1}{n + 2} mg, on day {n}, isn't it?\n\nThe patient's {n * 77}" for n in range(400)]
    from tokenizers import pre_tokenizers, trainers

    from pipelines.release.gguf import _rules

    tokenizer = train_tokenizer(texts, 300, 128)
    backend = tokenizer.backend_tokenizer
    backend.pre_tokenizer = _rules()["llama-bpe"]
    backend.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=1500, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    )
    rule, alike = nearest_rule(tokenizer)
    assert (rule, alike) == ("llama-bpe", 1.0)
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.train_from_iterator(
        [record * 3 for record in ("of the patient with", " is a disease of the", "in the blood of ")] * 40,
        trainers.BpeTrainer(vocab_size=1500, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()),
    )
    with pytest.raises(ExportError, match="no rule that cuts text as this tokenizer does"):
        nearest_rule(tokenizer)


def test_a_model_that_llama_cpp_is_not_written_for_is_named(tmp_path: Path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(ExportError, match="a model of type bert cannot be written as GGUF"):
        write_gguf(tmp_path, tmp_path / "out.gguf", "f16")
    assert not (tmp_path / "out.gguf").exists()


def test_shards_hold_the_same_weights(tiny_model: Path, tmp_path: Path):
    files = export_shards(tiny_model, tmp_path / "cut", "100KB")
    assert len(files) > 2
    assert (tmp_path / "cut" / INDEX).is_file()
    old, new = loading.load_model(tiny_model), loading.load_model(tmp_path / "cut")
    assert all(torch.equal(a, b) for a, b in zip(old.parameters(), new.parameters(), strict=True))
    assert loading.load_tokenizer(tmp_path / "cut").chat_template is not None
    modes = {path.stat().st_mode for path in (tmp_path / "cut").iterdir()}
    assert len(modes) == 1  # whoever may read the config may read the weights
    again = export_shards(tmp_path / "cut", tmp_path / "whole", "5GB")
    assert [path.name for path in again] == ["model.safetensors"]
    assert not (tmp_path / "whole" / INDEX).exists()
    with pytest.raises(OslerError, match="name another with --to"):
        export_shards(tiny_model, tiny_model, "5GB")
    export_shards(tiny_model, tmp_path / "parts", "0.5GB")
    for size in ("0.0GB", "5XB", "0GB", "-5GB", "abc"):
        with pytest.raises(OslerError, match=f"'{size}' is no size of a file, as 5GB or 500MB"):
            export_shards(tiny_model, tmp_path / "whole", size)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "config.json").write_text("mine")
    with pytest.raises(OslerError, match=r"config\.json: a file that osler did not write here"):
        export_shards(tiny_model, tmp_path / "own", "5GB")
    assert [path.name for path in (tmp_path / "own").iterdir()] == ["config.json"]
    assert (tmp_path / "whole" / "model.safetensors").is_file()  # what was there before


def test_the_command_takes_a_stages_folder(base_model: Path, tmp_path: Path):
    stage = tmp_path / "final"
    export_shards(base_model, stage / "model", "5GB")
    done = CliRunner().invoke(app, ["export", str(stage), "--to", str(tmp_path / "out"), "--gguf", "q8_0"])
    assert done.exit_code == 0, done.output
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["final-q8_0.gguf"]
    with pytest.raises(OslerError, match="no model here"):
        model_folder(tmp_path)

"""Adapters of every kind, beside whole and rounded bases, end merged into the weights that were never rounded."""

import importlib
import json
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from safetensors.torch import load_file

from pipelines import loading, training
from pipelines.artifact import Draft
from pipelines.config import Corpus, Lora, Quantization, RecipeError, SftStage, load_recipe
from pipelines.config.recipe import Recipe
from pipelines.reward import read_model
from pipelines.training import adapters
from pipelines.training.adapters import lora_config, quantization_config

SHORT = {
    "max_steps": 3,
    "per_device_train_batch_size": 4,
    "learning_rate": 0.01,
    "logging_steps": 1,
    "bf16": False,
    "save_strategy": "no",
}
NF4 = Quantization(load_in_4bit=True)
INT8 = Quantization(load_in_8bit=True)
ROUNDED = SftStage(kind="sft", model="base", corpora=[Corpus(name="mine")], lora=Lora(), quantization=NF4)
RECIPE = """
name: mine
base_model: bundled:osler-nano-base
stages:
  sft:
    kind: sft
    model: base
    corpora: [{name: bundled-dialogues}]
    lora: {r: 4, use_dora: true, target_modules: [q_proj], layers_to_transform: [0]}
    quantization: {load_in_4bit: true}
"""


@pytest.fixture
def pairs(tmp_path: Path) -> Corpus:
    rows = [
        {"prompt": f"What is {n}?", "chosen": f"It is {n}.", "rejected": "I do not know at all."} for n in range(16)
    ]
    (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return Corpus(name=str(tmp_path / "pairs.jsonl"))


def stage_of(kind: str, pairs: Corpus, **given: Any) -> Any:
    data: dict[str, Any] = {"preferences": pairs}
    if kind in ("cpt", "sft"):
        data = {"corpora": [Corpus(name="bundled-documents" if kind == "cpt" else "bundled-dialogues", limit=24)]}
    if kind == "cpt":
        data["sequence_length"] = 32
    return Recipe.model_validate(
        {"name": "one", "stages": {"it": {"kind": kind, "model": "base", "training": SHORT, **data, **given}}}
    ).stages["it"]


def trained(kind: str, tiny_model: Path, draft: Draft, sources: Any, pairs: Corpus, **given: Any) -> dict[str, Any]:
    work = getattr(importlib.import_module(f"pipelines.{kind}"), kind)
    work(stage_of(kind, pairs, **given), 0, tiny_model, sources, draft)
    return draft.metrics


def assert_published(tiny_model: Path, draft: Draft, kind: str = "sft") -> None:
    """The model that was written is the base on disk with the adapter that was written, but for its last rounding."""
    read = read_model if kind == "reward" else loading.load_model
    ids = torch.randint(8000, (2, 24), generator=torch.Generator().manual_seed(9))
    with torch.no_grad():
        base = read(tiny_model).float().eval()
        before = base(input_ids=ids).logits
        both = peft.PeftModel.from_pretrained(base, draft.folder / "adapter").eval()(input_ids=ids).logits
        saved = read(draft.folder / "model").float().eval()(input_ids=ids).logits
    moved, rounding = float((both - before).abs().max()), float((saved - both).abs().max())
    assert rounding < 0.1 * moved
    assert not (draft.folder / "model" / "adapter_config.json").exists()
    written = json.loads((draft.folder / "adapter" / "adapter_config.json").read_text())
    assert written["target_modules"] == sorted(written["target_modules"])
    assert str(tiny_model) not in json.dumps(written)
    assert {path.name for path in (draft.folder / "adapter").iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
    }


@pytest.mark.parametrize("kind", ["cpt", "sft", "dpo", "kto", "orpo", "reward"])
@pytest.mark.parametrize("quantization", [None, NF4])
def test_every_stage_trains_an_adapter_beside_a_whole_or_a_rounded_base(
    tiny_model, draft, sources, pairs, kind, quantization
):
    lora = {"r": 4, "lora_alpha": 16}
    metrics = trained(kind, tiny_model, draft, sources, pairs, lora=lora, quantization=quantization)
    losses = [one["loss"] for one in metrics["losses"]]
    assert losses[-1] < losses[0]
    assert 0 <= metrics["merge_difference"] < 1e-4 * metrics["greatest_logit"]
    assert_published(tiny_model, draft, kind)


@pytest.mark.parametrize(
    "lora",
    [
        Lora(r=4, use_dora=True),
        Lora(r=4, use_rslora=True, init_lora_weights="gaussian"),
        Lora(r=4, target_modules=["q_proj", "v_proj"], layers_to_transform=[1], lora_dropout=0.1),
        Lora(r=4, modules_to_save=["lm_head"]),
    ],
    ids=["dora", "rslora", "one layer", "head"],
)
def test_adapters_of_every_form_are_merged(tiny_model, draft, sources, pairs, lora):
    trained("sft", tiny_model, draft, sources, pairs, lora=lora)
    assert_published(tiny_model, draft)


@pytest.mark.parametrize(
    ("quantization", "lora"),
    [
        (INT8, Lora(r=4)),
        (NF4, Lora(r=4, use_dora=True)),
        (Quantization(load_in_4bit=True, bnb_4bit_quant_type="fp4"), Lora(r=4)),
    ],
    ids=["8 bits", "4 bits and DoRA", "fp4"],
)
def test_other_roundings_train_and_merge(tiny_model, draft, sources, pairs, quantization, lora):
    metrics = trained("sft", tiny_model, draft, sources, pairs, lora=lora, quantization=quantization)
    assert metrics["losses"][-1]["loss"] < metrics["losses"][0]["loss"]
    assert_published(tiny_model, draft)


def test_qlora_adds_the_adapter_to_the_unrounded_weights(tiny_model, draft, sources, pairs):
    trained("sft", tiny_model, draft, sources, pairs, lora=Lora(r=4, lora_alpha=16), quantization=NF4)
    base, made = (load_file(folder / "model.safetensors") for folder in (tiny_model, draft.folder / "model"))
    adapter = load_file(draft.folder / "adapter" / "adapter_model.safetensors")
    assert base.keys() == made.keys()
    changed = 0
    for name, weight in base.items():
        stem = f"base_model.model.{name.removesuffix('.weight')}"
        if f"{stem}.lora_A.weight" not in adapter:
            assert torch.equal(made[name], weight), name
            continue
        update = 4.0 * adapter[f"{stem}.lora_B.weight"].float() @ adapter[f"{stem}.lora_A.weight"].float()
        assert torch.allclose(made[name].float(), weight.float() + update, rtol=2**-8, atol=1e-6), name
        changed += 1
    assert changed == 14  # seven matrices of each of two layers


def test_a_pass_before_training_leaves_the_gradients_of_a_rounded_base_as_they_are(tiny_model):
    ids = torch.arange(48).reshape(2, 24)

    def gradients(asked_before: bool) -> dict[str, torch.Tensor]:
        torch.manual_seed(0)
        base = adapters.load_base(tiny_model, ROUNDED)
        model = peft.get_peft_model(base, lora_config(Lora(r=4, init_lora_weights="gaussian")))
        if asked_before:  # as the reference's log-probabilities are
            with torch.no_grad():
                model.eval()(input_ids=ids)
        model.train()(input_ids=ids, labels=ids).loss.backward()
        return {name: p.grad for name, p in model.named_parameters() if p.requires_grad}

    fresh, asked = gradients(False), gradients(True)
    first = next(name for name in fresh if "layers.0.self_attn.q_proj.lora_B" in name)
    assert fresh[first].abs().max() > 0
    assert all(torch.allclose(asked[name], gradient) for name, gradient in fresh.items())


def test_the_attention_of_a_recipe_is_the_models(tiny_model):
    stage = ROUNDED.model_copy(update={"quantization": None, "attention": "eager"})
    assert adapters.load_base(tiny_model, stage).config._attn_implementation == "eager"
    plain = stage.model_copy(update={"attention": None})
    assert adapters.load_base(tiny_model, plain).config._attn_implementation == "sdpa"


def test_packed_rows_on_a_gpu_have_an_attention_that_tells_them_apart(tiny_model, monkeypatch):
    monkeypatch.setattr(adapters, "has_gpu", lambda: True)

    def attention(works: bool, **training) -> str:
        monkeypatch.setattr(adapters.varlen, "works", lambda: works)
        stage = ROUNDED.model_copy(update={"quantization": None, "training": {"packing": True, **training}})
        return adapters.load_base(tiny_model, stage).config._attn_implementation

    assert attention(works=True, bf16=True) == "varlen"
    assert attention(works=True, bf16=False) == "flex_attention"
    assert attention(works=True, bf16=False, fp16=True) == "varlen"
    assert attention(works=False, bf16=True) == "flex_attention"


def test_rounded_weights_are_held_in_four_bits(tiny_model):
    whole, rounded = loading.load_model(tiny_model), adapters.load_base(tiny_model, ROUNDED)
    name = "model.layers.0.mlp.up_proj.weight"
    assert rounded.get_parameter(name).numel() == whole.get_parameter(name).numel() // 2  # bytes, of two weights each
    assert rounded.get_parameter(name).dtype == torch.uint8


def test_a_merge_that_changes_what_the_model_says_is_refused(tiny_model, draft, sources, pairs, monkeypatch):
    monkeypatch.setattr(adapters, "TOLERANCE", -1.0)
    with pytest.raises(loading.TrainingError, match=r"the merged model's logits differ by .* change the lora block"):
        trained("sft", tiny_model, draft, sources, pairs, lora=Lora(r=4))


def test_a_whole_model_has_no_adapter(tiny_model, draft, sources, pairs):
    metrics = trained("dpo", tiny_model, draft, sources, pairs, lora=None)
    assert "merge_difference" not in metrics
    assert not (draft.folder / "adapter").exists()


def test_an_adapter_keeps_the_tokens_that_a_chat_template_brings(tiny_model, draft, sources, pairs, tmp_path):
    untied = loading.load_model(tiny_model)
    untied.config.tie_word_embeddings = False
    untied.lm_head.weight = torch.nn.Parameter(untied.lm_head.weight.clone())
    training.save_model(untied, loading.load_tokenizer(tiny_model), tmp_path / "untied")
    other = loading.load_tokenizer(tiny_model)
    other.add_tokens(["<|triage|>"], special_tokens=True)
    loading.load_model(tiny_model).save_pretrained(tmp_path / "other")
    other.save_pretrained(tmp_path / "other")
    given = {**SHORT, "chat_template_path": str(tmp_path / "other")}
    trained("sft", tmp_path / "untied", draft, sources, pairs, lora=Lora(r=4), training=given)
    made = loading.load_model(draft.folder / "model")
    tokenizer = loading.load_tokenizer(draft.folder / "model")
    assert made.get_input_embeddings().weight.shape[0] >= len(tokenizer) > 8192


def test_the_recipes_fields_reach_peft_and_transformers(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(RECIPE)
    stage = load_recipe(str(path)).stages["sft"]
    assert isinstance(stage, SftStage)
    config = lora_config(stage.lora)
    assert config is not None
    assert (config.use_dora, config.layers_to_transform, config.target_modules) == (True, [0], {"q_proj"})
    assert (config.r, config.lora_alpha) == (4, 32)
    assert stage.quantization is not None
    rounding = quantization_config(stage.quantization)
    assert (rounding.load_in_4bit, rounding.bnb_4bit_quant_type, rounding.bnb_4bit_use_double_quant) == (
        True,
        "nf4",
        True,
    )
    assert quantization_config(INT8).load_in_8bit


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("use_dora", "use_dorra", r"stages\.sft\.lora: unknown key 'use_dorra'; did you mean 'use_dora'\?"),
        ("use_dora: true", "task_type: CAUSAL_LM", "unknown key 'task_type'"),
        ("use_dora: true", "init_lora_weights: pissa", "pissa changes the weights of the base"),
        (
            "{load_in_4bit: true}",
            "{load_in_4bits: true}",
            r"unknown key 'load_in_4bits'; did you mean 'load_in_4bit'\?",
        ),
        ("{load_in_4bit: true}", "{load_in_4bit: true, load_in_8bit: true}", "give one of load_in_4bit"),
        ("{load_in_4bit: true}", "{}", "give one of load_in_4bit"),
        ("    lora: {r: 4, use_dora: true, target_modules: [q_proj], layers_to_transform: [0]}\n", "", "add lora"),
        ("kind: sft", "kind: sft\n    optimizer: muon", "use adamw with lora"),
    ],
)
def test_a_mistake_in_an_adapters_block_is_named(tmp_path, old, new, message):
    path = tmp_path / "mine.yaml"
    path.write_text(RECIPE.replace(old, new, 1))
    with pytest.raises(RecipeError, match=message):
        load_recipe(str(path))


def test_a_missing_bitsandbytes_is_explained(tiny_model, monkeypatch):
    def missing(*_: Any, **__: Any) -> None:
        raise ImportError("no bitsandbytes")

    with pytest.raises(loading.TrainingError, match="pip install bitsandbytes"):
        adapters.load_base(tiny_model, ROUNDED, missing)  # type: ignore[arg-type]

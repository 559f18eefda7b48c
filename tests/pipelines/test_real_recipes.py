"""The recipes for published bases: every value is one of the libraries' own, and their architectures, shrunk, go through every stage."""

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, BitsAndBytesConfig, set_seed

from corpora.catalog import find_dataset
from corpora.records import ExamItem
from pipelines import loading, training
from pipelines.artifact import Artifact, Draft, drafting, load_artifact
from pipelines.bundled import RECIPES, recipe_names
from pipelines.config import Corpus, CurateStage, Recipe, TokenizeStage, TrainingStage, load_recipe, named_corpora
from pipelines.cpt import cpt
from pipelines.data import Sources
from pipelines.dpo import dpo
from pipelines.grpo import grpo
from pipelines.launching.accelerate import Node, accelerate_arguments, check_options
from pipelines.sft import sft
from pipelines.tokens import tokenize
from pipelines.training.adapters import lora_config, quantization_config
from serving.hardware import has_gpu

PUBLISHED = [name for name in recipe_names() if "/" in name]
REAL = [name for name in PUBLISHED if name.endswith(("-full", "-lora", "-qlora"))]
GRPO = [name for name in PUBLISHED if name.endswith("-grpo")]
ROUNDS = [name for name in PUBLISHED if name.endswith("-rounds")]
RECORDS = {"cpt": "document", "sft": "dialogue", "dpo": "preference"}  # what a stage of each kind learns from

SMALL = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
LLAMA_ROPE = {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}  # fmt: skip
# What makes each architecture what it is, as the config.json of the published model has it; the rest is SMALL.
ARCHITECTURES = {
    "qwen3-tied": {"model_type": "qwen3", "tie_word_embeddings": True, "head_dim": 32, "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0}},
    "qwen3": {"model_type": "qwen3", "tie_word_embeddings": False, "head_dim": 32, "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0}},
    "llama": {"model_type": "llama", "tie_word_embeddings": False, "rope_parameters": LLAMA_ROPE},
    "qwen2": {"model_type": "qwen2", "tie_word_embeddings": False, "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0}},
}  # fmt: skip
BASES = {
    "Qwen/Qwen3-0.6B-Base": "qwen3-tied",
    "Qwen/Qwen3-1.7B-Base": "qwen3-tied",
    "Qwen/Qwen3-8B-Base": "qwen3",
    "Qwen/Qwen3-14B-Base": "qwen3",
    "Qwen/Qwen3-32B": "qwen3",
    "meta-llama/Llama-3.1-8B": "llama",
    "Qwen/Qwen2.5-72B": "qwen2",
}
LLAMA_TOKENS = {"bos_token": "<|begin_of_text|>", "additional_special_tokens": ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]}  # fmt: skip


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory, base_model: Path) -> dict[str, Path]:
    """A model of each architecture with random weights and the bundled tokenizer."""
    training.quiet()
    found = {}
    for name, fields in ARCHITECTURES.items():
        tokenizer = loading.load_tokenizer(base_model)
        if name == "llama":  # its base has the tokens of a dialogue, and no chat template
            tokenizer.add_special_tokens(LLAMA_TOKENS)
            tokenizer.chat_template = None
        set_seed(3)
        config = AutoConfig.for_model(**SMALL, **fields, vocab_size=len(tokenizer), eos_token_id=tokenizer.eos_token_id)
        found[name] = tmp_path_factory.mktemp(name)
        training.save_model(AutoModelForCausalLM.from_config(config), tokenizer, found[name])
    return found


def stages(recipe: Recipe) -> Iterator[tuple[str, TrainingStage]]:
    return ((name, stage) for name, stage in recipe.stages.items() if isinstance(stage, TrainingStage))


def leaf_corpora(recipe: Recipe, names: list[str]) -> list[str]:
    """The datasets that corpora come to through the stages that make them."""
    found = []
    for name in names:
        stage = recipe.stages.get(name)
        if stage is None:
            found.append(name)
        elif stage.kind in ("curate", "mix", "tokenize"):
            read = [
                corpus
                for part in (stage.corpora if stage.kind != "mix" else stage.sources.values())
                for corpus in named_corpora(part)
            ]
            found += leaf_corpora(recipe, [corpus.name for corpus in read])
    return found


def test_every_recipe_is_of_a_kind_that_is_tested_here():
    assert sorted(REAL + GRPO + ROUNDS) == PUBLISHED
    assert GRPO
    assert ROUNDS


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_value_is_one_that_the_libraries_take(name: str, draft: Draft):
    recipe = load_recipe(name)
    assert recipe.base_model in BASES
    for _, stage in stages(recipe):
        args = training.arguments(stage.kind, draft, recipe.seed, stage.training)
        for key in set(stage.training) - {"chat_template_path"}:
            given, taken = stage.training[key], getattr(args, key)
            assert (taken == given and not isinstance(given, str)) or str(getattr(taken, "value", taken)) == str(
                given
            ), key
        adapter = lora_config(stage.lora)
        assert (adapter is None) == (stage.lora is None)
        if stage.quantization is not None:
            assert isinstance(quantization_config(stage.quantization), BitsAndBytesConfig)
            assert stage.quantization.load_in_4bit


# What a recipe chooses of how a model learns. The two factors of a batch share a comment; an alias has it where it is anchored.
CHOICES = re.compile(
    r"\s+(learning_rate|lr_\w+|warmup_\w+|weight_decay|adam_\w+|optim|num_train_epochs|max_steps|beta|loss_\w+|max_length|sequence_length|r"
    r"|lora_\w+|target_modules|max_grad_norm|num_generations|max_completion_length|mask_truncated_completions|temperature|samples|max_tokens"
    r"|min_margin|take|max_pairs|max_length_ratio|bf16|gradient_checkpointing|torch_compile|load_in_4bit|bnb_\w+|max_repeat|held_out): [^*]"
)


def test_every_choice_names_its_source():
    files = [path for path in RECIPES.rglob("*.yaml") if not path.name.startswith("nano")]
    lines = [(path, line) for path in files for line in path.read_text().splitlines()]
    chosen = [(path, line) for path, line in lines if CHOICES.match(line)]
    assert len(chosen) > 150
    assert [f"{path.name}: {line.strip()}" for path, line in chosen if " # " not in line] == []


@pytest.mark.parametrize("name", [name for name in PUBLISHED if load_recipe(name).launch is not None])
def test_accelerate_takes_the_launch_of_a_recipe(name: str):
    from accelerate.commands.launch import launch_command_parser

    launch = load_recipe(name).launch
    assert launch is not None
    check_options(launch)
    given = accelerate_arguments(launch, Node(0, "first:29500"), True)
    parsed = launch_command_parser().parse_args([*given, "--module", "pipelines.training.worker"])
    assert (parsed.num_processes, parsed.num_machines) == (launch.processes, launch.nodes)
    assert parsed.use_fsdp
    assert int(parsed.fsdp_version) == 2


@pytest.mark.parametrize("name", REAL)
def test_a_recipe_trains_as_its_name_says(name: str):
    recipe = load_recipe(name)
    method = name.rsplit("-", 1)[1]
    for stage_name, stage in stages(recipe):
        assert (stage.lora is not None, stage.quantization is not None) == {"full": (False, False), "lora": (True, False), "qlora": (True, True)}[method], stage_name  # fmt: skip


@pytest.mark.parametrize("name", REAL)
def test_each_stage_learns_from_datasets_of_its_kind_and_from_none_that_is_asked(name: str):
    recipe = load_recipe(name)
    asked = {corpus.name for corpus in recipe.stages["exam"].items}
    assert all(find_dataset(each).record == "exam_item" for each in asked)
    for kind, record in RECORDS.items():
        stage = recipe.stages[kind]
        read = [stage.tokens] if kind == "cpt" else [corpus.name for corpus in named_corpora(stage)]
        datasets = leaf_corpora(recipe, read)
        assert datasets
        assert {find_dataset(each).record for each in datasets} == {record}
        assert not set(datasets) & asked
    for stage in recipe.stages.values():
        if isinstance(stage, CurateStage):
            (step,) = [step for step in stage.steps if step.step == "decontaminate"]
            assert {corpus.name for corpus in step.against} == asked


@pytest.mark.parametrize("name", GRPO + ROUNDS)
def test_what_is_rewarded_is_no_item_that_is_asked(name: str):
    recipe = load_recipe(name)
    asked = {corpus.name for corpus in recipe.stages["exam"].items}
    rewarded = [stage for stage in recipe.stages.values() if stage.kind in ("grpo", "preferences")]
    assert rewarded
    for stage in rewarded:
        datasets = leaf_corpora(recipe, [corpus.name for corpus in named_corpora(stage)])
        assert {find_dataset(each).record for each in datasets} == {"exam_item"}
        assert {find_dataset(each).kind for each in datasets} == {"sft"}  # their train splits
        assert not set(datasets) & asked
    for stage in recipe.stages.values():
        if isinstance(stage, CurateStage):
            (step,) = [step for step in stage.steps if step.step == "decontaminate"]
            assert {corpus.name for corpus in step.against} == asked


def shortened(stage: TrainingStage, **update) -> TrainingStage:
    """The stage for two steps of two short rows, and without what only a GPU's optimizer can do."""
    short = {
        "max_steps": 2,
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 1,
        "logging_steps": 1,
        "save_steps": 2,
    }
    if not has_gpu() and str(stage.training.get("optim", "")).startswith("paged"):
        short["optim"] = "adamw_torch"
    if "max_length" in stage.training:
        short["max_length"] = 192
    return stage.model_copy(update={"training": {**stage.training, **short}, **update})


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    path = tmp_path_factory.mktemp("pairs") / "pairs.jsonl"
    rows = [
        {
            "prompt": f"What is the dose of drug {n}?",
            "chosen": f"Ask a pharmacist about drug {n}.",
            "rejected": "Any dose.",
        }
        for n in range(8)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    return Corpus(name=str(path))


def finished(folder: Path) -> Artifact:
    artifact = load_artifact(folder)
    assert artifact is not None
    return artifact


def walked(name: str, base: Path, pairs: Corpus, run: Path) -> None:
    """Pretraining, instruction tuning and DPO of a recipe on the shrunk base, each two steps with the recipe's own settings."""
    recipe = load_recipe(name)
    sources = Sources(None, recipe.seed, {})
    packed = TokenizeStage(kind="tokenize", corpora=[Corpus(name="bundled-documents", limit=40)])
    with drafting(run / "tokens", "tokens", {"recipe": name}) as made:
        tokenize(packed, recipe.seed, base, sources, made)
    sources.artifacts["tokens"] = finished(run / "tokens")
    before = AutoConfig.from_pretrained(base)
    work = {
        "cpt": (cpt, base, {"sequence_length": 64}),
        "sft": (sft, run / "cpt" / "model", {"corpora": [Corpus(name="bundled-dialogues", limit=8)]}),
        "dpo": (dpo, run / "sft" / "model", {"preferences": pairs}),
    }
    for kind, (function, model, update) in work.items():
        with drafting(run / kind, kind, {"recipe": name}) as made:
            function(shortened(recipe.stages[kind], **update), recipe.seed, model, sources, made)
        metrics = finished(run / kind).metrics
        assert metrics["steps"] == 2
        assert math.isfinite(metrics["final_loss"])
        after = AutoConfig.from_pretrained(run / kind / "model")
        for field in ("model_type", "tie_word_embeddings", "rope_parameters", "num_key_value_heads"):
            assert getattr(after, field) == getattr(before, field), field
        old, new = loading.load_model(model), loading.load_model(run / kind / "model")
        assert any(not torch.equal(a, b) for a, b in zip(old.parameters(), new.parameters(), strict=True)), kind
    dialogue = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Good day"}]
    mark = "<|eot_id|>" if before.model_type == "llama" else "<|im_end|>"
    tokenizer = loading.load_tokenizer(run / "dpo" / "model")
    assert mark in tokenizer.apply_chat_template(dialogue, tokenize=False)
    assert tokenizer.convert_tokens_to_ids(mark) in training.stop_tokens(tokenizer)


# One of each architecture and method; those that are compiled take two minutes on a processor and are among the slow ones.
FIRST = ["qwen3-0.6b/1x24gb-full", "qwen3-8b/1x24gb-qlora", "llama3.1-8b/8x80gb-full", "qwen2.5-72b/8x80gb-lora"]


@pytest.mark.parametrize("name", FIRST)
def test_each_architecture_goes_through_every_stage(name: str, bases: dict[str, Path], pairs: Corpus, tmp_path: Path):
    walked(name, bases[BASES[load_recipe(name).base_model or ""]], pairs, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in REAL if name not in FIRST])
def test_each_recipe_goes_through_every_stage(name: str, bases: dict[str, Path], pairs: Corpus, tmp_path: Path):
    walked(name, bases[BASES[load_recipe(name).base_model or ""]], pairs, tmp_path)


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    path = tmp_path_factory.mktemp("items") / "items.jsonl"
    rows = [
        ExamItem(id=str(n), question=f"Which is number {n}?", options=["one", "two", "three", "four"], answers=[n % 4])
        for n in range(8)
    ]
    path.write_text("\n".join(row.model_dump_json() for row in rows))
    return Corpus(name=str(path))


@pytest.mark.parametrize("name", [GRPO[0], *(pytest.param(name, marks=pytest.mark.slow) for name in GRPO[1:])])
def test_a_recipe_with_rewards_goes_through_its_stages(
    name: str, bases: dict[str, Path], items: Corpus, tmp_path: Path
):
    """Fine-tuning and GRPO, two steps each, with the recipe's own settings; transformers samples, a few tokens, where vLLM would."""
    recipe, base = load_recipe(name), bases[BASES[load_recipe(name).base_model or ""]]
    sources = Sources(None, recipe.seed, {})
    with drafting(tmp_path / "sft", "sft", {}) as made:
        stage = shortened(recipe.stages["sft"], corpora=[Corpus(name="bundled-dialogues", limit=8)])
        sft(stage, recipe.seed, base, sources, made)
    stage = shortened(recipe.stages["grpo"], items=[items])
    short = {"per_device_train_batch_size": 8, "max_completion_length": 6, "use_vllm": False}
    stage = stage.model_copy(update={"training": {**stage.training, **short}})
    with drafting(tmp_path / "grpo", "grpo", {}) as made:
        grpo(stage, recipe.seed, tmp_path / "sft" / "model", sources, made)
    metrics = finished(tmp_path / "grpo").metrics
    assert metrics["steps"] == 2
    assert metrics["questions"] == {"item": 8}
    assert [set(step) >= {"right_option", "format", "reward", "kl"} for step in metrics["rewards"]] == [True, True]
    example = metrics["examples"][0]["question"]
    assert "A. one\nB. two\nC. three\nD. four\n\nThink first inside <think>" in example
    assert loading.load_model(tmp_path / "grpo" / "model").config.model_type == "qwen3"


@pytest.mark.parametrize("name", ROUNDS)
def test_a_recipe_with_rounds_trains_on_what_its_newest_model_says(
    name: str, bases: dict[str, Path], pairs: Corpus, tmp_path: Path
):
    recipe, base = load_recipe(name), bases[BASES[load_recipe(name).base_model or ""]]
    sampled = [recipe.stages[f"preferences-{n}"] for n in (1, 2, 3)]
    trained = [recipe.stages[f"dpo-{n}"] for n in (1, 2, 3)]
    assert [stage.model for stage in sampled] == ["sft", "dpo-1", "dpo-2"] == [stage.model for stage in trained]
    assert [stage.preferences.name for stage in trained] == [f"preferences-{n}" for n in (1, 2, 3)]
    assert [stage.round for stage in sampled] == [1, 2, 3]
    with drafting(tmp_path / "dpo", "dpo", {}) as made:
        stage = shortened(trained[0], preferences=pairs)
        stage = stage.model_copy(update={"training": {**stage.training, "torch_compile": False}})
        dpo(stage, recipe.seed, base, Sources(None, 1, {}), made)
    # Two losses of weight 1: at the start -log(1/2) and the likelihood of the chosen answers, about log(vocabulary) for random weights.
    first = finished(tmp_path / "dpo").metrics["losses"][0]["loss"]
    assert first > math.log(2) + 5


def batch(name: str, stage: TrainingStage) -> int:
    """Rows of an optimizer step on the hardware that the recipe's name tells."""
    cards = math.prod(map(int, re.findall(r"(\d+)x", name.rsplit("/", 1)[1])))
    given = stage.training
    return cards * given["per_device_train_batch_size"] * given.get("gradient_accumulation_steps", 1)


def rows() -> Iterator[str]:
    for name in REAL:
        recipe = load_recipe(name)
        kinds = [recipe.stages[kind] for kind in ("cpt", "sft", "dpo")]
        rates = " / ".join(f"{stage.training['learning_rate']:.0e}".replace("e-0", "e-") for stage in kinds)
        tokens = batch(name, kinds[0]) * kinds[0].sequence_length
        hardware, method = name.rsplit("/", 1)[1].rsplit("-", 1)
        of_pretraining = recipe.stages["pretraining"].tokens // 10**6
        yield (
            f"| `{name}` | {recipe.base_model} | {hardware} | {method} | {of_pretraining:,}M | {tokens:,} | "
            f"{batch(name, kinds[1])} / {batch(name, kinds[2])} | {rates} |"
        )


def test_the_table_of_the_docs_is_that_of_the_recipes():
    page = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")
    for row in rows():
        assert row in page, row
    for name in GRPO + ROUNDS:
        assert f"| `{name}` | {load_recipe(name).base_model} |" in page
    assert page.count("\n| `") == len(PUBLISHED)


def test_the_recipe_of_the_docs_is_one(tmp_path: Path):
    page = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")
    (tmp_path / "mine.yaml").write_text(page.split("```yaml\n")[1].split("```")[0])
    recipe = load_recipe(str(tmp_path / "mine.yaml"))
    assert recipe.base_model == "modelscope:Qwen/Qwen3-8B-Base"
    assert not {"cpt", "tokens", "knowledge"} & set(recipe.stages)
    assert recipe.stages["sft"].training["num_train_epochs"] == 3
    assert recipe.stages["sft"].lora.r == 256

"""A plan counts what a run would do, says whether it fits, and offers only what makes it fit."""

import dataclasses
import json
import math
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from corpora.records import Document
from evals.likelihood import BATCH_TOKENS
from pipelines import loading
from pipelines.bundled import RECIPES
from pipelines.cli import app
from pipelines.config import Corpus, ExamItems, Launch, Lora, Recipe, RecipeError, load_recipe
from pipelines.data import Sources, records
from pipelines.plan import check_plan, plan
from pipelines.plan.architectures import shape_of
from pipelines.plan.compute import forward_flops, training_flops
from pipelines.plan.devices import devices, here, table
from pipelines.plan.examined import of_options, of_text, plan_exam
from pipelines.plan.memory import GIB, kv_cache_bytes
from pipelines.plan.reading import load_of, settings_of, tokenizer_of
from pipelines.plan.rewarded import longer
from pipelines.plan.train import plan_training
from pipelines.plan.workload import Work, Workload, count_corpus
from pipelines.training.blocks import blocks

SFT = {"kind": "sft", "model": "base", "corpora": [{"name": "bundled-dialogues", "limit": 500}]}


def recipe_of(base: str, stage: dict, launch: str | None = None) -> Recipe:
    given = {"name": "try", "base_model": base, "stages": {"one": stage}}
    if launch is not None:
        given["launch"] = {"strategy": launch, "processes": 8}
    return Recipe.model_validate(given)


def stage_plan(recipe: Recipe, gpus: str):
    return plan_training(recipe, "one", devices(gpus), Workload(recipe, Sources(None, 0, {}), None, 500))


def test_the_blocks_of_a_cpt_stage_are_counted_as_they_are_cut(base_model: Path, sources):
    stage = {"kind": "cpt", "model": "base", "corpora": [{"name": "bundled-documents"}], "sequence_length": 96}
    recipe = recipe_of(
        str(base_model), {**stage, "training": {"num_train_epochs": 1, "per_device_train_batch_size": 12}}
    )
    tokenizer = loading.load_tokenizer(base_model)
    cut = blocks(records([Corpus(name="bundled-documents")], sources, Document), tokenizer, 96)
    found = plan_training(recipe, "one", devices("H100"), Workload(recipe, sources, tokenizer_of(recipe)))
    assert found.steps == -(-len(cut) // 12)
    assert found.tokens == found.steps * 12 * 96
    assert "counted with the base model's tokenizer" in found.notes[0]


def test_a_large_corpus_is_sampled_and_says_so(tmp_path: Path, sources):
    path = tmp_path / "many.jsonl"
    path.write_text("\n".join(json.dumps({"id": str(n), "text": "some words " * 20}) for n in range(3000)))
    counter = Workload(recipe_of("Qwen/Qwen3-8B", SFT), sources, None).counter
    whole, part = (count_corpus(Corpus(name=str(path)), sources, counter, sample) for sample in (5000, 100))
    assert whole.rows == 3000
    assert part.tokens == pytest.approx(whole.tokens, rel=0.1)
    assert "the rest by the size of its files" in part.notes[0]


def test_a_dataset_that_is_not_at_hand_is_taken_from_the_catalogue(sources):
    counter = Workload(recipe_of("Qwen/Qwen3-8B", SFT), sources, None).counter
    found = count_corpus(Corpus(name="medquad", limit=100), sources, counter)
    assert found.rows == 100
    assert "not at hand" in found.notes[0]
    assert "assumed" in found.notes[0]


def test_the_answers_that_grpo_samples_are_counted():
    """80 prompts, 8 answers each, 16 answers a step: 40 steps, worked by hand; a question has one row, however many options."""
    training = {"num_train_epochs": 1, "num_generations": 8, "per_device_train_batch_size": 8, "gradient_accumulation_steps": 2}  # fmt: skip
    stage = {"kind": "grpo", "model": "base", "items": [{"name": "bundled-exam", "limit": 80}], "rewards": {"right_option": 1.0}}  # fmt: skip

    def planned(**more):
        return stage_plan(recipe_of("Qwen/Qwen3-1.7B", {**stage, "training": {**training, **more}}), "H100")

    short, long = planned(max_completion_length=100), planned(max_completion_length=1100)
    assert (short.steps, long.steps) == (40, 40)
    assert long.tokens - short.tokens == pytest.approx(640 * 1000)
    assert 640 * 110 < short.tokens < 640 * 200  # a bundled question with its four options has 20 to 90 tokens
    assert long.hours > 5 * short.hours
    assert planned(max_completion_length=100, num_iterations=2).steps == 80
    # The reference in float32, and vLLM's share of the card.
    anchored = planned(max_completion_length=100, beta=0.03)
    assert anchored.memory.parts["reference"] == 4 * anchored.parameters
    assert anchored.flops > short.flops
    beside = planned(max_completion_length=100, use_vllm=True, vllm_gpu_memory_utilization=0.25)
    assert beside.memory.parts["vLLM"] == pytest.approx(79 * GIB / 4, rel=0.01)
    # An adapter has its reference below it.
    stage["lora"] = {"r": 8}
    assert "reference" not in planned(max_completion_length=100, beta=0.03).memory.parts


def test_a_prompts_own_answer_is_not_asked_and_tells_how_long_answers_will_be(tmp_path: Path, sources):
    """Four characters a token: a question of 40, asked with its marks; answers of 4 and 80 tokens, and their end."""

    def prompts(name: str, answer: str) -> Corpus:
        path = tmp_path / f"{name}.jsonl"
        messages = [{"role": "user", "content": "what" * 40}, {"role": "assistant", "content": answer}]
        path.write_text("\n".join(json.dumps({"id": str(n), "messages": messages}) for n in range(20)))
        return Corpus(name=str(path))

    brief, lengthy = prompts("brief", "what" * 4), prompts("lengthy", "what" * 80)
    training = {"max_completion_length": 60, "num_generations": 8, "per_device_train_batch_size": 16}
    stage = {"kind": "grpo", "model": "base", "rewards": {"format": 1.0}, "training": training}

    def planned(*corpora: Corpus):
        given = {**stage, "prompts": [corpus.model_dump() for corpus in corpora]}
        recipe = recipe_of("Qwen/Qwen3-0.6B", given)
        work = Workload(recipe, sources, None).of(recipe.stages["one"].prompts, asked=True)
        load = load_of(
            recipe, recipe.stages["one"], settings_of(recipe, recipe.stages["one"], here()), lambda: work, here()
        )
        return work, longer(load, recipe.stages["one"], work)

    for corpora, mean in (([brief], 5), ([lengthy], 60), ([brief, lengthy], 43)):
        work, load = planned(*corpora)
        assert work.tokens == work.rows * (40 + 6 + 3)
        assert load.length == 49 + 60  # as wide as the longest answer may be
        assert load.labelled == 16 * mean


def test_qwen3_8b_whole_on_eight_h100_fits_when_it_is_sharded():
    settings = {"per_device_train_batch_size": 2, "max_length": 1024}
    found = stage_plan(recipe_of("Qwen/Qwen3-8B", {**SFT, "training": settings}, "fsdp2"), "8xH100")
    assert found.fits
    # 16 bytes a parameter by eight, and two gathered layers, embeddings and head.
    assert 16 * found.parameters / 8 < found.memory.peak < 40 * GIB
    assert "trained weights in float32, the optimizer's states in float32" in found.notes
    assert re.fullmatch(r"fits with \d+\.\d GiB to spare", found.verdict)


def test_qlora_of_8b_fits_on_one_4090_and_lora_of_14b_does_not():
    settings = {"per_device_train_batch_size": 1, "max_length": 1024, "gradient_checkpointing": True}
    quantized = {**SFT, "lora": {"r": 16}, "training": settings, "quantization": {"load_in_4bit": True}}
    assert stage_plan(recipe_of("Qwen/Qwen3-8B", quantized), "4090").fits
    alone = stage_plan(recipe_of("Qwen/Qwen3-0.6B", {**SFT, "training": settings}), "L4")
    assert "trained weights in float32, the optimizer's states in float32" in alone.notes
    whole = recipe_of("Qwen/Qwen3-14B", {**SFT, "lora": {"r": 16}, "training": settings})
    refused = stage_plan(whole, "4090")
    assert not refused.fits
    assert any("load_in_4bit" in remedy for remedy in refused.remedies)


def test_72b_whole_on_eight_h100_does_not_fit_and_what_is_offered_does():
    found = stage_plan(recipe_of("Qwen/Qwen2.5-72B", SFT, "fsdp2"), "8xH100")
    assert not found.fits
    assert found.verdict.startswith("does not fit: ")
    more = re.match(r"--gpus (\d+)xH100, launch: {strategy: (\w+), processes: (\d+), nodes: (\d+)}", found.remedies[0])
    assert more is not None
    assert more[1] == more[3]
    assert int(more[1]) == 8 * int(more[4])
    again = stage_plan(recipe_of("Qwen/Qwen2.5-72B", SFT, more[2]), f"{more[1]}xH100")
    assert again.fits == ("training." not in found.remedies[0])
    adapter = stage_plan(recipe_of("Qwen/Qwen2.5-72B", {**SFT, "lora": Lora().model_dump()}, "fsdp2"), "8xH100")
    assert adapter.fits
    assert any(remedy.startswith("lora: ") for remedy in found.remedies)


def test_more_gpus_are_offered_with_as_many_rows_in_a_step():
    block = {
        **SFT,
        "training": {"per_device_train_batch_size": 1, "gradient_accumulation_steps": 16, "max_length": 1024},
    }
    alone = stage_plan(recipe_of("Qwen/Qwen3-8B", block), "1xH100")
    offered = next(remedy for remedy in alone.remedies if remedy.startswith("--gpus"))
    count = int(re.match(r"--gpus (\d+)xH100, launch: {strategy: fsdp2", offered)[1])
    accumulation = re.findall(r"training\.gradient_accumulation_steps: (\d+)", offered)
    assert [int(number) * count for number in accumulation] == [16]  # said once
    block["training"]["gradient_accumulation_steps"] = 16 // count
    assert stage_plan(recipe_of("Qwen/Qwen3-8B", block, "fsdp2"), f"{count}xH100").steps == alone.steps


def test_an_exam_that_one_card_does_not_hold_is_cut_over_those_of_the_machine():
    """145 GB of weights: eight cards of 80 GB hold a share of 18 each; two have no room beside theirs; one of 192 GB holds all."""
    stage = {"kind": "exam", "models": ["base"], "items": [{"name": "bundled-exam", "limit": 20}]}
    recipe = recipe_of("Qwen/Qwen2.5-72B", stage)

    def planned(gpus: str):
        return plan_exam(recipe, "one", devices(gpus), Workload(recipe, Sources(None, 0, {}), None, 100))

    cut = planned("8xH100")
    assert cut.fits
    assert 2 * cut.parameters / 8 < cut.memory.parts["weights"] < 2 * cut.parameters / 7
    assert any("cut by its layers over 8" in note for note in cut.notes)
    assert planned("32xH100").memory.parts == cut.memory.parts  # of four machines one examines
    for whole in ("B200", "8xB200"):
        assert planned(whole).memory.parts["weights"] == 2 * cut.parameters
        assert not any("cut by its layers" in note for note in planned(whole).notes)

    refused = planned("2xH100")
    assert not refused.fits
    more, larger, served = refused.remedies
    for remedy in (more, larger):
        assert planned(re.match(r"--gpus (\S+) for this stage", remedy)[1]).fits
    assert "xH100 " in more
    assert "`one: null`" in served
    assert "`osler eval --url`" in served
    assert planned("8xB200").remedies == []


def test_an_exam_on_running_text_keeps_its_logits_three_times():
    shape = shape_of("Qwen/Qwen3-0.6B")
    long, brief = (of_text(shape, 2, Work(rows=10, tokens=tokens))["logits"] for tokens in (10**6, 300))
    assert long == (2 + 4 + 4) * BATCH_TOKENS * 151936
    assert brief == (2 + 4 + 4) * 300 * 151936


def test_options_in_words_are_read_on_from_their_prompt_and_letters_end_with_it():
    """Items of four options, each row 30 tokens of question and 16 of option with their marks: 30 + 4 x 11 tokens in a batch for each item."""
    shape = shape_of("Qwen/Qwen3-0.6B")
    items = Work(rows=500, tokens=500 * 4 * 46, longest=[(46, 16)] * 1000)
    words, letters = (
        of_options(shape, 4, items, ExamItems(name="bundled-exam", options=options), 2048)
        for options in ("text", "letters")
    )
    count = 2048 / (30 + 4 * 11)
    assert words["logits"] == pytest.approx(151936 * (count * 8 * 4 + 2 * 4 * count + count * 4 * 10 * 8))
    assert words["KV cache"] == pytest.approx(kv_cache_bytes(shape, 1, 4) * count * 4 * (30 + 11), rel=1e-3)
    assert letters["KV cache"] == 0
    assert letters["logits"] < words["logits"] / 3


def test_a_remedy_that_is_followed_makes_the_stage_fit():
    stage = {"kind": "cpt", "model": "base", "corpora": SFT["corpora"], "sequence_length": 4096}
    stage["training"] = {"per_device_train_batch_size": 64}
    refused = stage_plan(recipe_of("Qwen/Qwen3-0.6B", stage), "A100-40")
    assert not refused.fits
    told = dict(re.findall(r"training\.(\w+): (\w+)", refused.remedies[0]))
    values = {key: value == "true" if value == "true" else int(value) for key, value in told.items()}
    assert values["per_device_train_batch_size"] * values["gradient_accumulation_steps"] == 64
    mended = {**stage, "training": {**stage["training"], **values}}
    assert stage_plan(recipe_of("Qwen/Qwen3-0.6B", mended), "A100-40").fits


def test_operations_are_six_for_each_parameter_and_a_third_more_when_activations_are_computed_again():
    recipe = recipe_of("Qwen/Qwen3-8B", SFT)
    where = devices("H100")
    stage = recipe.stages["one"]
    workload = Workload(recipe, Sources(None, 0, {}), None, 100)
    chosen = settings_of(recipe, stage, where)
    load = load_of(recipe, stage, chosen, lambda: workload.of(stage.corpora), where)
    six = 6 * (load.shape.parameters - load.shape.table)
    attention = 12 * 36 * 32 * 128 * 1000  # PaLM, appendix B: 12 L H Q T
    assert training_flops(load, 1000) == six + attention
    assert forward_flops(load.shape, 1000) == (six + attention) / 3
    checkpointed = dataclasses.replace(load, checkpointing=True)
    assert training_flops(checkpointed, 1000) == pytest.approx(4 / 3 * (six + attention))


def test_hours_and_cost_follow_from_peak_share_and_price():
    recipe = recipe_of("Qwen/Qwen3-8B", SFT)
    found = plan(recipe, devices("8xH100", mfu=0.5, price=2.0), sample=100)
    stage = found.stages[0]
    assert stage.hours == pytest.approx(stage.flops / (8 * 989.4e12 * 0.5) / 3600)
    assert found.cost == pytest.approx(stage.hours * 8 * 2.0)


@pytest.mark.parametrize("kind", ["dpo", "kto", "orpo", "reward"])
def test_every_preference_stage_is_planned(kind: str, tmp_path: Path):
    path = tmp_path / "pairs.jsonl"
    row = {"prompt": "What is asthma?", "chosen": "A disease of the airways.", "rejected": "I do not know."}
    path.write_text("\n".join([json.dumps(row)] * 40))
    stage = {"kind": kind, "model": "base", "preferences": {"name": str(path)}}
    found = stage_plan(
        recipe_of("Qwen/Qwen3-0.6B", {**stage, "training": {"num_train_epochs": 1, "per_device_train_batch_size": 8}}),
        "H100",
    )
    assert found.fits
    assert found.trainable < found.parameters / 10
    assert found.steps in (5, 10)  # of pairs, or of answers each by itself


PUBLISHED = [path for path in RECIPES.glob("*/*.yaml") if re.match(r"(\d+x)?\d+x\d+gb", path.stem)]


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_published_recipe_trains_on_the_cards_that_its_name_says(path: Path):
    *nodes, memory = path.stem.split("-")[0].removesuffix("gb").split("x")
    count = math.prod(map(int, nodes))
    where = devices(f"{count}x" + {"24": "4090", "80": "H100"}[memory])
    recipe = load_recipe(str(path))
    recipe = recipe.model_copy(update={"launch": Launch(strategy="fsdp2", processes=count)})
    for stage in check_plan(recipe, where, None, 50):
        assert stage.fits, stage.verdict


def test_what_vllm_cannot_hold_on_one_card_is_said_with_the_card_that_can():
    stage = {"kind": "preferences", "model": "base", "prompts": {"name": "bundled-prompts", "limit": 10}}
    recipe = recipe_of("Qwen/Qwen2.5-72B", stage)
    assert "--gpus 8xB200" in plan(recipe, devices("8xH100"), sample=50).stages[0].remedies
    assert "tensor-parallel-size: 2" in plan(recipe, devices("8xH100"), sample=50).stages[0].verdict
    cut = recipe_of("Qwen/Qwen2.5-72B", {**stage, "vllm": {"tensor-parallel-size": 4}})
    assert plan(cut, devices("8xH100"), sample=50).stages[0].fits
    rounded = recipe_of("Qwen/Qwen2.5-72B", {**stage, "vllm": {"quantization": "bitsandbytes"}})
    assert plan(rounded, devices("1xH100"), sample=50).stages[0].fits
    assert "quantization: bitsandbytes" in plan(recipe, devices("1xH100"), sample=50).stages[0].verdict
    assert plan(recipe, devices("8xB200"), sample=50).stages[0].fits


def test_every_gpu_of_the_table_has_all_that_a_plan_needs():
    for name in table():
        row = devices(f"2x{name}")
        assert row.count == 2
        assert row.usable > 20 * GIB
        assert 50e12 < row.flops < 3e15
        assert row.price > 0
        assert row.source


def test_an_unknown_gpu_is_refused_with_the_nearest():
    with pytest.raises(RecipeError, match="did you mean 'H100'"):
        devices("8xH10")
    with pytest.raises(RecipeError, match=r"8xA100: .* there are A100-40 and A100-80$"):
        devices("8xA100")
    with pytest.raises(RecipeError, match="needs one at least"):
        devices("2x0xH100")


def test_nodes_times_gpus_are_so_many_gpus():
    assert devices("2x8xH100") == devices("16xH100")
    assert devices("2 x 8 x H100").count == 16


def test_nano_is_planned_for_this_machine_stage_by_stage():
    found = plan(load_recipe("nano"), devices("cpu"), sample=300)
    by_name = {stage.name: stage for stage in found.stages}
    assert list(by_name) == list(load_recipe("nano").stages)
    assert by_name["cpt"].parameters == by_name["dpo"].parameters > 9_000_000
    assert by_name["dpo"].trainable < by_name["sft"].trainable / 10
    assert by_name["preferences"].memory.parts["KV cache"] == GIB
    assert all(stage.memory.peak < 6 * GIB for stage in found.stages)
    assert 0 < found.hours < 24


def test_the_command_prints_json_and_a_table(tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.write_text(json.dumps({"name": "mine", "base_model": "Qwen/Qwen3-8B", "stages": {"one": SFT}}))
    run = CliRunner().invoke(app, ["plan", str(path), "--gpus", "1xMI300X", "--json"])
    assert run.exit_code == 0, run.output
    told = json.loads(run.output[run.output.index("{") :])
    assert told["devices"]["label"] == "1xMI300X"
    assert told["fits"]
    assert told["stages"][0]["memory"]["peak"] > 8 * told["stages"][0]["parameters"]
    shown = CliRunner().invoke(app, ["plan", str(path), "--gpus", "4090"])
    assert "does not fit: " in shown.output
    assert "quantization: {load_in_4bit: true}" in " ".join(shown.output.split())


def test_packed_rows_are_full_and_fewer():
    settings = {"per_device_train_batch_size": 4, "max_length": 1024}
    rows, packed = (
        stage_plan(recipe_of("Qwen/Qwen3-0.6B", {**SFT, "training": {**settings, "packing": packing}}), "H100")
        for packing in (False, True)
    )
    assert packed.memory.peak > rows.memory.peak  # no dialogue is as long as a row
    assert packed.tokens == pytest.approx(rows.tokens, rel=0.1)  # the last batch is counted whole
    assert packed.steps * 4 * 1024 == pytest.approx(rows.tokens, rel=0.1)

"""The plan's memory is what autograd keeps, what torch asks for, and about what the process takes."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import peft
import pytest
import torch
from torch.profiler import ProfilerActivity, profile
from transformers import LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

from pipelines.config import Lora
from pipelines.plan.architectures import built, shape_of
from pipelines.plan.memory import GIB, Load, activation_bytes, kv_cache_bytes, layer_bytes, memory
from pipelines.training.compiling import compile_layers

SIZES = {
    "vocab_size": 128,
    "hidden_size": 96,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "intermediate_size": 160,
}
MODELS = {"qwen3": (Qwen3Config, Qwen3ForCausalLM), "llama": (LlamaConfig, LlamaForCausalLM)}
ROWS, LENGTH = 3, 64
PARTITIONED = "aot_eager_decomp_partition"  # the graphs of inductor, cut by its partitioner, without its code
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "mixed": torch.float32}


def kept_by_autograd(model, autocast: bool, masked: bool = False) -> int:
    """Bytes of what is kept for the backward pass and is no parameter."""
    parameters = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    storages = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        # A cast of a weight is kept too, and is counted with the weights.
        shape = tensor.shape
        of_rows = shape and (shape[0] in (1, ROWS) or ROWS * LENGTH in shape)
        if tensor.untyped_storage().data_ptr() not in parameters and of_rows:
            storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
        return tensor

    mask = torch.ones(ROWS, LENGTH, dtype=torch.long)
    mask[0, -7:] = 0  # a row that is padded
    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16, enabled=autocast),
    ):
        ids = torch.randint(0, 100, (ROWS, LENGTH))
        model(input_ids=ids, attention_mask=mask if masked else None, use_cache=False)
    return sum(storage.nbytes() for storage in storages.values())


def compile_afresh(model) -> None:
    """Compiles the layers with nothing known of earlier shapes: after several, torch makes another graph, for any shape."""
    torch._dynamo.reset()
    compile_layers(model, backend=PARTITIONED)


def load(kind: str, numbers: str, **changes) -> Load:
    shape = built({"model_type": kind, **SIZES, "num_hidden_layers": 2}, kind, "")
    given = {"device": "cpu", "rows": ROWS, "length": LENGTH, "labelled": ROWS * LENGTH, "head": "all", **changes}
    return Load(shape=shape, numbers=numbers, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("kernels", ["plain", "compiled"])
@pytest.mark.parametrize("numbers", list(DTYPES))
@pytest.mark.parametrize("kind", list(MODELS))
def test_a_layer_keeps_what_autograd_keeps_to_the_byte(kind: str, numbers: str, kernels: str, masked: bool):
    config, model_class = MODELS[kind]

    def kept(layers: int) -> int:
        model = model_class(config(**SIZES, num_hidden_layers=layers)).to(DTYPES[numbers]).train()
        if kernels == "compiled":
            compile_afresh(model)
        return kept_by_autograd(model, numbers != "float32", masked)

    planned = layer_bytes(load(kind, numbers, kernels=kernels, masked=masked))
    assert (kept(3) - kept(2)) / (ROWS * LENGTH) == planned


@pytest.mark.parametrize("kernels", ["plain", pytest.param("compiled", marks=pytest.mark.long)])
@pytest.mark.parametrize(("numbers", "bits"), [("float32", 16), ("bfloat16", 16), ("bfloat16", 4)])
def test_a_layer_under_an_adapter_keeps_what_autograd_keeps(numbers: str, bits: int, kernels: str):
    def kept(layers: int) -> int:
        model = Qwen3ForCausalLM(Qwen3Config(**SIZES, num_hidden_layers=layers)).to(DTYPES[numbers])
        adapted = peft.get_peft_model(model, peft.LoraConfig(task_type="CAUSAL_LM", **Lora(r=8).model_dump()))
        if (
            bits == 4
        ):  # as TRL has it beside rounded weights, whose inputs are kept no more than those of other frozen ones
            adapted.to(torch.bfloat16)
        if kernels == "compiled":
            compile_afresh(adapted)
        return kept_by_autograd(adapted.train(), numbers != "float32")

    planned = layer_bytes(load("qwen3", numbers, adapter=1, adapter_rank=8, bits=bits, kernels=kernels))
    assert planned == pytest.approx((kept(3) - kept(2)) / (ROWS * LENGTH), rel=0.02)


def asked_of_torch(model, checkpointing: bool) -> int:
    """The most bytes above its start that a step's forward and backward pass hold, by torch's own record of its allocator."""
    if checkpointing:
        model.gradient_checkpointing_enable()
    ids = torch.randint(0, 100, (ROWS, LENGTH))
    model(input_ids=ids, labels=ids, use_cache=False).loss.backward()  # what is made once, is made
    model.zero_grad()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
    now = most = 0
    for event in record.profiler.kineto_results.events():  # type: ignore[union-attr]
        if event.name() == "[memory]":
            now += event.nbytes()
            most = max(most, now)
    return most


@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_step_asks_torch_for_what_is_planned(checkpointing: bool):
    sizes = {**SIZES, "vocab_size": 4096, "num_hidden_layers": 4, "tie_word_embeddings": True}
    measured = asked_of_torch(Qwen3ForCausalLM(Qwen3Config(**sizes)).train(), checkpointing)
    shape = built({"model_type": "qwen3", **sizes}, "", "")
    given = {"rows": ROWS, "length": LENGTH, "labelled": ROWS * LENGTH, "head": "all", "checkpointing": checkpointing}
    planned = memory(Load(shape=shape, numbers="float32", device="cpu", **given))  # type: ignore[arg-type]
    above = planned.asked - planned.parts["weights"] - planned.parts["optimizer states"]
    assert above == pytest.approx(measured, rel=0.05)


def test_under_an_adapter_the_inputs_of_all_layers_are_there_when_the_last_is_computed_again():
    # Few trained weights and a small vocabulary: neither gradients nor logits hide that moment.
    sizes = {**SIZES, "vocab_size": 128, "num_hidden_layers": 12, "tie_word_embeddings": True}
    model = Qwen3ForCausalLM(Qwen3Config(**sizes)).train()
    model.enable_input_require_grads()
    adapted = peft.get_peft_model(model, peft.LoraConfig(r=8, target_modules="all-linear"))
    measured = asked_of_torch(adapted, True)
    shape = built({"model_type": "qwen3", **sizes}, "", "")
    trained = sum(weight.numel() for weight in adapted.parameters() if weight.requires_grad)
    given = {"rows": ROWS, "length": LENGTH, "labelled": ROWS * LENGTH, "head": "all", "checkpointing": True}
    planned = memory(
        Load(shape=shape, numbers="float32", device="cpu", adapter=trained, adapter_rank=8, **given)  # type: ignore[arg-type]
    )
    above = planned.asked - planned.parts["weights"] - planned.parts["optimizer states"]
    assert planned.moment == "start of the backward pass"
    assert above == pytest.approx(measured, rel=0.1)


def test_the_cache_of_llama_takes_128_kib_a_token():
    # Grattafiori et al. 2024, table 3: 32 layers, 8 key heads of 128; keys and values in bfloat16.
    assert kv_cache_bytes(shape_of("meta-llama/Llama-3.1-8B"), 1) == 128 * 2**10


def test_sharding_divides_sixteen_bytes_a_parameter():
    shape = shape_of("Qwen/Qwen3-8B")
    given = {"rows": 1, "length": 512, "labelled": 512, "head": "tiled", "numbers": "bfloat16", "device": "gpu"}
    for strategy in ("fsdp2", "zero3"):
        parts = memory(Load(shape=shape, strategy=strategy, processes=8, accumulation=2, **given)).parts  # type: ignore[arg-type]
        states = parts["weights"] + parts["gradients"] + parts["optimizer states"]
        assert states == pytest.approx(16 * shape.parameters / 8, rel=0.01)  # Rajbhandari et al. 2020, section 3.1
    alone = memory(Load(shape=shape, accumulation=2, **given)).parts  # type: ignore[arg-type]
    states = alone["weights"] + alone["gradients"] + alone["optimizer states"]
    assert states == pytest.approx(8 * shape.parameters, rel=0.01)  # all bfloat16


def test_quantized_weights_take_about_four_bits():
    shape = shape_of("Qwen/Qwen3-8B")
    one = Load(
        shape=shape, numbers="bfloat16", device="gpu", rows=1, length=512, labelled=512, head="tiled", adapter=10
    )
    whole = memory(one).parts["weights"]
    quantized = memory(dataclasses.replace(one, bits=4)).parts["weights"]
    outside = 2 * 2 * shape.table  # embeddings and head stay in bfloat16
    assert whole == pytest.approx(2 * shape.parameters, rel=0.01)
    assert (quantized - outside) / (whole - outside) == pytest.approx(4.127 / 16, rel=0.01)


def test_activations_grow_with_tokens_and_not_with_their_square():
    short, long = load("qwen3", "float32"), load("qwen3", "float32", length=2 * LENGTH)
    assert activation_bytes(long, long.tokens, 2) == 2 * activation_bytes(short, short.tokens, 2)


def test_the_peak_of_a_real_run_is_within_a_tenth_of_the_planned_one(base_model: Path):
    script = Path(__file__).parents[2] / "benchmarks" / "memory.py"
    words = [
        sys.executable,
        str(script),
        "--one",
        str(base_model),
        "--methods",
        "cpt",
        "--length",
        "128",
        "--steps",
        "3",
    ]
    place = {**os.environ, "PYTHONPATH": str(script.parents[1])}
    done = subprocess.run(words, check=True, capture_output=True, text=True, env=place)
    row = json.loads(done.stdout.splitlines()[-1])
    assert row["measured"] < 2 * GIB
    assert abs(row["off"]) < 0.10

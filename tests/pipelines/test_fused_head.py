"""What a GPU's training does otherwise, on a processor: the fused head's loss is the model's own, and compiled layers compute the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import Trainer, TrainingArguments, default_data_collator

from pipelines import loading
from pipelines.training.compiling import compile_layers, taken
from pipelines.training.fused_head import fused


def losses(model, trainer_class, folder: Path) -> list[float]:
    """Of four steps, each of two micro-batches, on rows of which some positions have no label."""
    generator = torch.Generator().manual_seed(0)
    rows = []
    for number in range(16):
        ids = torch.randint(0, 200, (24,), generator=generator)
        labels = ids.clone()
        labels[: number % 5] = -100
        rows.append({"input_ids": ids.tolist(), "labels": labels.tolist()})
    args = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=2,
        gradient_accumulation_steps=2,
        max_steps=4,
        logging_steps=1,
        learning_rate=1e-3,
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
        save_strategy="no",
    )
    trainer = trainer_class(model=model, args=args, train_dataset=rows, data_collator=default_data_collator)
    trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def test_the_fused_head_gives_the_losses_of_the_models_own(tiny_model: Path, tmp_path: Path):
    own = losses(loading.load_model(tiny_model), Trainer, tmp_path)
    model = loading.load_model(tiny_model)
    assert losses(model, fused(model), tmp_path) == pytest.approx(own, abs=2e-5)
    assert own[-1] < own[0]


@pytest.mark.parametrize("checkpointing", [False, True])
def test_layers_are_compiled_in_place_and_compute_the_same(tiny_model: Path, checkpointing: bool):
    ids = torch.arange(40).reshape(2, 20)
    plain, model = loading.load_model(tiny_model).train(), loading.load_model(tiny_model).train()
    if checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    # ``aot_eager`` makes the graphs of inductor, forward and backward, and needs no compiler.
    assert compile_layers(model, backend="aot_eager") == model.config.num_hidden_layers
    found, expected = model(input_ids=ids, labels=ids).loss, plain(input_ids=ids, labels=ids).loss
    assert float(found) == pytest.approx(float(expected), abs=1e-6)
    found.backward()
    expected.backward()
    gradients = dict(plain.named_parameters())
    assert all(torch.allclose(p.grad, gradients[name].grad, atol=1e-6) for name, p in model.named_parameters())
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1  # one for all layers


def test_what_compiles_the_whole_model_is_taken_out_of_the_settings():
    values = {"torch_compile": True, "torch_compile_mode": "max-autotune", "max_steps": 3}
    assert taken(values) == {"backend": "inductor", "mode": "max-autotune"}
    assert values == {"max_steps": 3}
    assert taken({"torch_compile": False}) is None

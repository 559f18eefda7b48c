"""The shapes of known bases have the parameters that their publishers' weights count."""

import json
from pathlib import Path

import peft
import pytest
from safetensors import safe_open
from transformers import AutoModelForCausalLM

from pipelines.bundled import recipe_names
from pipelines.config import Lora, RecipeError, load_recipe
from pipelines.plan.architectures import known, shape_of


@pytest.mark.parametrize("name", sorted(known()))
def test_a_known_base_has_the_published_number_of_parameters(name: str):
    assert shape_of(name).parameters == known()[name]["parameters"]


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_that_ships_can_be_planned(name: str):
    base = load_recipe(name).base_model
    if base is not None and not base.startswith("bundled:"):
        assert base in known()


def test_a_folder_has_the_parameters_of_its_weights(base_model: Path):
    with safe_open(base_model / "model.safetensors", "pt") as weights:
        names = [name for name in weights.keys() if name != "lm_head.weight"]  # noqa: SIM118
        stored = sum(weights.get_tensor(name).numel() for name in names)
    shape = shape_of(str(base_model))
    assert shape.parameters == stored
    assert shape.tied
    assert shape.extended(100).parameters == stored + 100 * shape.hidden


@pytest.mark.parametrize("targets", ["all-linear", ["q_proj", "v_proj"]])
def test_an_adapter_has_the_parameters_that_peft_makes(tiny_model: Path, targets):
    lora = Lora(r=4, target_modules=targets)
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    made = peft.get_peft_model(model, peft.LoraConfig(task_type="CAUSAL_LM", **lora.model_dump()))
    trained = sum(parameter.numel() for parameter in made.parameters() if parameter.requires_grad)
    assert shape_of(str(tiny_model)).adapter(lora) == trained


def test_an_unknown_base_is_refused_with_the_nearest_name():
    with pytest.raises(RecipeError, match="did you mean 'Qwen/Qwen3-8B'"):
        shape_of("Qwen/Qwen3-8b")


def test_a_config_that_is_no_language_models_is_named(tmp_path: Path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "resnet"}))
    with pytest.raises(RecipeError, match=r"config\.json"):
        shape_of(str(tmp_path))

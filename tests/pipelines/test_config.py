"""A recipe that cannot be run as it stands names the place and the nearest right word."""

from pathlib import Path

import pytest

from pipelines.config import RECIPES, RecipeError, load_recipe, resolve_model

GOOD = """
name: mine
base_model: bundled:osler-nano-base
stages:
  cpt:
    kind: cpt
    model: base
    corpora: [{name: bundled-documents}]
    training: {max_steps: 1, learning_rate: 0.001}
  sft:
    kind: sft
    model: cpt
    corpora: [{name: bundled-dialogues}]
    lora: {r: 4}
serve: {model: sft}
"""


def test_every_bundled_recipe_loads():
    for path in RECIPES.glob("*.yaml"):
        assert load_recipe(path.stem).name == path.stem
    for path in (Path(__file__).parents[1] / "recipes").glob("*.yaml"):
        load_recipe(str(path))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("stages:", "stagess:", r"unknown key 'stagess'; did you mean 'stages'\?"),
        ("corpora: [{name: bundled-d", "corpus: [{name: bundled-d", r"unknown key 'corpus'; did you mean 'corpora'\?"),
        (
            "learning_rate",
            "learning_rat",
            r"stages\.cpt\.training: unknown key 'learning_rat'; did you mean 'learning_rate'\?",
        ),
        ("{name: bundled-documents}", "{nam: bundled-documents}", r"unknown key 'nam'; did you mean 'name'\?"),
        ("lora: {r: 4}", "lora: {rr: 4}", r"unknown key 'rr'; did you mean 'r'\?"),
        ("model: cpt", "model: cptt", r"needs 'cptt', which no earlier stage makes; did you mean 'cpt'\?"),
        (
            "kind: sft",
            "kind: sfft",
            "a stage is one of: init, curate, mix, extend, tokenize, cpt, mlm, replay, sft, merge, preferences, synthesise, dpo, exam",
        ),
        ("serve: {model: sft}", "serve: {model: dpo}", "no stage is called 'dpo'"),
        ("max_steps: 1", "max_steps: [", "not valid YAML"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, old: str, new: str, message: str):
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD)
    load_recipe(str(path))
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(RecipeError, match=message) as caught:
        load_recipe(str(path))
    assert "mine.yaml" in str(caught.value)


def test_a_missing_recipe_is_named():
    with pytest.raises(RecipeError, match="did you mean 'nano'"):
        load_recipe("nanoo")
    with pytest.raises(RecipeError, match="no such recipe file"):
        load_recipe("nowhere/mine.yaml")


def test_a_missing_model_is_named(tmp_path: Path):
    with pytest.raises(RecipeError, match="did you mean 'osler-nano-base'"):
        resolve_model("bundled:osler-nano-bas")
    with pytest.raises(RecipeError, match="no model here"):
        resolve_model(str(tmp_path))

"""A recipe that cannot be run as it stands names the place and the nearest right word."""

from pathlib import Path

import pytest

from pipelines.bundled import recipe_names
from pipelines.config import RecipeError, load_recipe, resolve_chat_template, resolve_model

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
    assert "nano" in recipe_names()
    for name in recipe_names():
        assert load_recipe(name).name == name.replace("/", "-")
    for path in (Path(__file__).parents[1] / "recipes").glob("*.yaml"):
        load_recipe(str(path))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name: mine", "name: My Run", r"'My Run' is no name: small letters, .* as my-run$"),
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
            "a stage is one of: init, curate, mix, extend, tokenize, cpt, mlm, replay, sft, merge, preferences, synthesise, "
            "dpo, kto, orpo, reward, grpo, exam",
        ),
        ("serve: {model: sft}", "serve: {model: dpo}", "no stage is called 'dpo'"),
        ("max_steps: 1", "max_steps: [", "not valid YAML"),
        ("max_steps: 1", "max_steps: five", r"stages\.cpt\.training\.max_steps: a whole number, not 'five'"),
        ("max_steps: 1", "max_steps: 1.5", r"training\.max_steps: a whole number, not 1\.5"),
        ("max_steps: 1", "bf16: maybe", r"training\.bf16: true or false, not 'maybe'"),
        ("max_steps: 1", "warmup_steps: 'many'", r"training\.warmup_steps: a number, not 'many'"),
        ("max_steps: 1", "per_device_train_batch_size: 0", r"per_device_train_batch_size: 1 or more, not 0"),
        ("max_steps: 1", "num_train_epochs: 0", r"num_train_epochs: more than 0, not 0"),
        ("learning_rate: 0.001", "learning_rate: -0.1", r"learning_rate: 0 or more, not -0.1"),
        ("learning_rate: 0.001", "learning_rate: .nan", r"learning_rate: a finite number, not nan"),
        ("learning_rate: 0.001", f"learning_rate: 1{'0' * 400}", r"learning_rate: a finite number, not 10000"),
        ("  cpt:\n", "  ../cpt:\n", r"stages\.\.\./cpt: a stage's name is that of its folder"),
        ("  cpt:\n", "  serve:\n", r"stages\.serve: a stage's name .* none of base, serve, tensorboard, trackio"),
        (
            "{name: bundled-documents}",
            "{name: bundled-documents, exclude: '(['}",
            r"stages\.cpt\.corpora\.0\.exclude: not a regular expression: unterminated",
        ),
        (
            "lora: {r: 4}",
            "training: {chat_template_path: bundled:chatm}",
            r"stages\.sft\.training\.chat_template_path: no bundled chat template .* did you mean 'chatml'\?",
        ),
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


@pytest.mark.parametrize("written", ["1e-4", "1E-04", "0.0001", "1.0e-4"])
def test_a_learning_rate_is_a_number_however_it_is_written(tmp_path: Path, written: str):
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD.replace("learning_rate: 0.001", f"learning_rate: {written}"))
    assert load_recipe(str(path)).stages["cpt"].training["learning_rate"] == 0.0001


def test_a_file_of_another_encoding_is_named(tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.write_bytes(GOOD.replace("name:", "description: Übung\nname:", 1).encode("latin-1"))
    with pytest.raises(RecipeError, match=r"mine\.yaml: byte \d+ is no text in UTF-8"):
        load_recipe(str(path))


def test_a_missing_recipe_is_named():
    with pytest.raises(RecipeError, match="did you mean 'nano'"):
        load_recipe("nanoo")
    with pytest.raises(RecipeError, match="no such recipe file"):
        load_recipe("nowhere/mine.yaml")


def test_a_chat_template_is_bundled_or_a_file():
    assert Path(resolve_chat_template("bundled:llama3")).is_file()
    assert resolve_chat_template("mine.jinja") == "mine.jinja"
    with pytest.raises(RecipeError, match=r"no bundled chat template is called 'lama3'; did you mean 'llama3'\?"):
        resolve_chat_template("bundled:lama3")


def test_a_missing_model_is_named(tmp_path: Path):
    with pytest.raises(RecipeError, match="did you mean 'osler-nano-base'"):
        resolve_model("bundled:osler-nano-bas")
    with pytest.raises(RecipeError, match="no model here"):
        resolve_model(str(tmp_path))


def test_a_stages_folder_stands_for_its_model_and_a_missing_one_is_told_what_is_there(
    tiny_model: Path, tmp_path: Path, monkeypatch
):
    (tmp_path / "runs" / "mine" / "final").mkdir(parents=True)
    (tmp_path / "runs" / "mine" / "final" / "model").symlink_to(tiny_model)
    monkeypatch.chdir(tmp_path)
    assert resolve_model("runs/mine/final") == "runs/mine/final/model"
    with pytest.raises(
        RecipeError, match=r"runs/mine/finall/model: no model here: no such folder; .*runs/mine has final$"
    ):
        resolve_model("runs/mine/finall/model")  # too deep for a hub's id

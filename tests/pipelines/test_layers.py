"""A recipe that extends others is one recipe, and everything in it is known by its file."""

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.config import RecipeError, annotated, load_layers, load_recipe

SHARED = """
seed: 3
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
    corpora: [{name: bundled-dialogues}, {name: bundled-emergencies}]
    lora: {r: 4}
    training: {learning_rate: 0.0002}
"""
OWN = """
name: own
extends: _shared.yaml
stages:
  sft:
    corpora: [{name: bundled-dialogues, limit: 5}]
    training:
      max_steps: 2
"""


def written(folder: Path, own: str = OWN, shared: str = SHARED) -> str:
    (folder / "_shared.yaml").write_text(shared)
    (folder / "own.yaml").write_text(own)
    return str(folder / "own.yaml")


def test_mappings_are_merged_and_lists_replaced(tmp_path: Path):
    recipe = load_recipe(written(tmp_path))
    assert (recipe.name, recipe.seed, list(recipe.stages)) == ("own", 3, ["cpt", "sft"])
    sft = recipe.stages["sft"]
    assert [(corpus.name, corpus.limit) for corpus in sft.corpora] == [("bundled-dialogues", 5)]
    assert sft.training == {"learning_rate": 0.0002, "max_steps": 2}
    assert sft.lora.r == 4


def test_a_mapping_of_another_kind_replaces_the_extended_one(tmp_path: Path):
    """A judge's teacher means nothing to a verifier: what is left of it would be an unknown key."""
    judged = """
  preferences:
    kind: preferences
    model: sft
    prompts: {name: bundled-prompts}
    samples: 8
    scorer: {by: judge, teacher: {model: base}, criteria: Be brief.}
"""
    own = OWN + "  preferences: {scorer: {by: verifier, rewards: {emergency: 1.0, format: 0.1}}}\n"
    stage = load_recipe(written(tmp_path, own, SHARED + judged)).stages["preferences"]
    assert stage.samples == 8
    assert (stage.scorer.by, stage.scorer.rewards) == ("verifier", {"emergency": 1.0, "format": 0.1})
    same = OWN + "  preferences: {scorer: {by: judge, criteria: Be kind.}}\n"
    scorer = load_recipe(written(tmp_path, same, SHARED + judged)).stages["preferences"].scorer
    assert (scorer.criteria, scorer.teacher.model) == ("Be kind.", "base")


def test_null_replaces_a_block_and_leaves_out_a_stage(tmp_path: Path):
    own = OWN.replace("stages:\n", "stages:\n  cpt: null\n").replace(
        "    corpora", "    model: base\n    lora: null\n    corpora"
    )
    recipe = load_recipe(written(tmp_path, own))
    assert list(recipe.stages) == ["sft"]
    assert recipe.stages["sft"].lora is None


def test_an_extending_recipe_is_keyed_as_one_file_that_says_the_same(tmp_path: Path):
    extending = load_recipe(written(tmp_path))
    (tmp_path / "one.yaml").write_text(annotated(load_layers(tmp_path / "own.yaml")))
    assert load_recipe(str(tmp_path / "one.yaml")) == extending


def test_each_value_is_shown_with_the_file_and_line_it_came_from(tmp_path: Path):
    text = annotated(load_layers(Path(written(tmp_path))))
    assert f"      learning_rate: 0.0002  # {tmp_path}/_shared.yaml:15\n" in text
    assert f"      max_steps: 2  # {tmp_path}/own.yaml:8\n" in text
    assert f"    corpora:  # {tmp_path}/own.yaml:6\n      - name: bundled-dialogues\n        limit: 5\n" in text


def test_what_a_stage_takes_by_an_anchor_is_shown_where_it_is_written(tmp_path: Path):
    path = tmp_path / "anchors.yaml"
    path.write_text(
        "name: a\nstages:\n  one: &same\n    kind: cpt\n    model: base\n  two:\n    <<: *same\n    model: one\n"
    )
    text = annotated(load_layers(path))
    assert f"  two:\n    kind: cpt  # {path}:4\n    model: one  # {path}:8\n" in text


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("_shared.yaml", "{r: 4}", "{rr: 4}", r"_shared\.yaml: stages\.sft\.lora.*: unknown key 'rr'"),
        ("own.yaml", "limit: 5", "limit: 0", r"own\.yaml: stages\.sft\.corpora\.0\.limit: Input should be greater"),
        ("_shared.yaml", "learning_rate: 0.0002", "lr: 1", r"_shared\.yaml: stages\.sft\.training: unknown key 'lr'"),
        ("own.yaml", "max_steps: 2", "steps: 2", r"own\.yaml: stages\.sft\.training: unknown key 'steps'"),
        ("own.yaml", "stages:", "stagess: {}\nstages:", r"own\.yaml: stagess: unknown key"),
        ("_shared.yaml", "seed: 3", "seed: [", r"_shared\.yaml, line \d, column \d: not valid YAML"),
        ("_shared.yaml", SHARED, "", r"_shared\.yaml: a recipe is a mapping"),
        ("own.yaml", "_shared.yaml", "_shard.yaml", r"own\.yaml, line 3: extends: .*_shard\.yaml: no such recipe file"),
        ("own.yaml", "_shared.yaml", "nanoo", r"own\.yaml, line 3: extends: no recipe .* did you mean 'nano'"),
        ("own.yaml", "_shared.yaml", "[a, b]", r"own\.yaml, line 3: extends: one path"),
        ("own.yaml", "name: own\n", "", r"own\.yaml: name: a recipe that extends another one has a name of its own"),
        ("_shared.yaml", "seed: 3", "extends: own.yaml", r"_shared\.yaml: extends: .* in a circle: .*own\.yaml extends .*_shared"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_the_file_that_made_it(tmp_path: Path, file: str, old: str, new: str, message: str):
    path = written(tmp_path, shared=f"name: shared\n{SHARED.lstrip()}")
    text = (tmp_path / file).read_text()
    (tmp_path / file).write_text("" if old == SHARED else text.replace(old, new, 1))
    with pytest.raises(RecipeError, match=message):
        load_recipe(path)


def test_a_bundled_recipe_can_be_extended_by_its_name(tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nextends: nano\nstages: {dpo: {training: {beta: 0.3}}}\n")
    nano, mine = load_recipe("nano"), load_recipe(str(path))
    assert mine.stages["dpo"].training == {**nano.stages["dpo"].training, "beta": 0.3}
    assert {**mine.stages, "dpo": None} == {**nano.stages, "dpo": None}


def test_the_commands_list_the_recipes_and_show_one(tmp_path: Path):
    shown = CliRunner().invoke(app, ["recipe", "show", "nano"])
    assert shown.exit_code == 0
    assert yaml.safe_load(shown.stdout)["stages"]["dpo"]["training"]["beta"] == 0.1
    listed = CliRunner().invoke(app, ["recipe", "list"])
    assert "nano-real" in listed.stdout
    assert "nano-real" in CliRunner().invoke(app, ["reproduce", "--help"]).stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: a\nstages:\n  sft: {}\n  sft: {}\n", "own.yaml, line 4: the key 'sft' stands in line 3 already;"),
        ("name: a\nserve: {model: x, model: y}\n", "own.yaml, line 2: the key 'model' stands in line 2 already;"),
        ("name: a\n\tseed: 1\n", "own.yaml, line 2, column 1: not valid YAML: found a tab character"),
        ("name: [a\n", "own.yaml, line 2, column 1: not valid YAML:"),
        ("date: 2020-13-45\n", "own.yaml: not valid YAML:"),
    ],
)
def test_a_mistake_in_a_file_is_told_with_its_line(text: str, said: str, tmp_path: Path):
    (tmp_path / "own.yaml").write_text(text)
    with pytest.raises(RecipeError) as error:
        load_recipe(str(tmp_path / "own.yaml"))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_in_another_encoding_and_a_folder_are_told_as_such(tmp_path: Path):
    (tmp_path / "gbk.yaml").write_bytes("name: 配方\n".encode("gb18030"))
    (tmp_path / "folder.yaml").mkdir()
    for name, said in (("gbk.yaml", "byte 7 is no text in UTF-8; save the file"), ("folder.yaml", "a folder, and no")):
        with pytest.raises(RecipeError, match=said):
            load_recipe(str(tmp_path / name))


def test_an_anchor_may_be_used_twice(tmp_path: Path):
    own = "name: own\nbase_model: bundled:osler-nano-base\nstages:\n  a: &a {kind: sft, model: base, corpora: [{name: bundled-dialogues}]}\n"
    (tmp_path / "own.yaml").write_text(own + "  b:\n    <<: *a\n    model: a\n")
    assert load_recipe(str(tmp_path / "own.yaml")).stages["b"].model == "a"

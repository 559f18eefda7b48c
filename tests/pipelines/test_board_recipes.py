"""Recipes on the board: opened and saved they are what they were, and one changed value changes one value."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from corpora.errors import OslerError
from pipelines.board import compose, form, opening
from pipelines.board.edit import parsed, set_value
from pipelines.board.places import Places
from pipelines.board.reach import check_reach
from pipelines.bundled import recipe_names
from pipelines.config import RecipeError, load_recipe, recipe_path


@pytest.mark.parametrize("name", recipe_names())
def test_a_bundled_recipe_that_is_opened_and_saved_is_the_same(name: str):
    raw, text = recipe_path(name).read_text(), opening.open_bundled(name)
    changed = [(old, new) for old, new in zip(raw.splitlines(True), text.splitlines(True), strict=True) if old != new]
    # Away from its own folder a recipe cannot extend another one by a path from there: it calls it by name.
    assert len(changed) == len(re.findall(r"^extends: .*\.yaml$", raw, re.MULTILINE))
    assert all(old.startswith("extends: ") and old.endswith(".yaml\n") for old, _ in changed)
    assert opening.check(text) == load_recipe(name)


@pytest.mark.parametrize("name", recipe_names())
def test_a_field_changes_its_value_and_no_line_beside(name: str):
    text = opening.open_bundled(name)
    recipe = opening.check(text)
    for key, value in (("description", "short: one # two"), ("base_model", "Qwen/Qwen3-4B-Base"), ("seed", "12")):
        changed = form.put_head(text, key, value)
        assert parsed(changed) == {**parsed(text), key: form.read(value) if key == "seed" else value}
    for stage in form.trained(recipe):
        if stage in form.written_out(text):
            with pytest.raises(RecipeError, match=rf"stages\.{stage} is written out by repeat"):
                form.put_stage(text, recipe, stage, "learning_rate", "1.5e-4")
            continue
        changed = form.put_stage(text, recipe, stage, "learning_rate", "1.5e-4")
        found = opening.check(changed)
        assert found.stages[stage].training["learning_rate"] == 1.5e-4
        before = recipe.stages[stage].training
        assert {**found.stages[stage].training, "learning_rate": None} == {**before, "learning_rate": None}
        lines = set(changed.splitlines())
        assert sum(line not in lines for line in text.splitlines()) <= 1
        assert form.put_stage(text, recipe, stage, "learning_rate", "") == text
        old = form.stage_values(recipe, stage)[0]
        assert form.put_stage(text, recipe, stage, "learning_rate", old) == text


@pytest.mark.parametrize(
    ("text", "place", "value", "expected"),
    [
        ("a: 1  # one\nb: 2\n", ["a"], 3, "a: 3  # one\nb: 2\n"),
        ("a: 1  # one\nb: 2", ["c", "d"], 3, "a: 1  # one\nb: 2\nc: {d: 3}"),
        ("a: {b: 1, c: 2} # x\n", ["a", "b"], "咳嗽", "a: {b: 咳嗽, c: 2} # x\n"),
        ("a: {}\nb: 1\n", ["a", "c"], True, "a: {c: true}\nb: 1\n"),
        ("a:\n  b: 1\n  # kept\n\nc: 2\n", ["a", "d"], 5, "a:\n  b: 1\n  d: 5\n  # kept\n\nc: 2\n"),
        ("a: >-\n  long\n  text\n\nb: 1\n", ["a"], "new", "a: new\n\nb: 1\n"),
        ("a:\n  - {b: 1}   # one\n  - {b: 2}   # two\nc: 1\n", ["a"], [1, 2], "a: [1, 2]   # two\nc: 1\n"),
        ("a:\nb: 1\n", ["a", "c"], 2, "a: {c: 2}\nb: 1\n"),
        ('a: "x"\n', ["a"], "no", "a: 'no'\n"),
    ],
)
def test_the_rest_of_a_text_stays(text: str, place: list[str], value: object, expected: str):
    assert set_value(text, place, value) == expected


def test_a_value_that_two_places_share_is_not_changed_for_one():
    text = "one: &shared {r: 8}\ntwo: *shared\n"
    with pytest.raises(RecipeError, match="anchor or alias"):
        set_value(text, ["one", "r"], 4)
    assert yaml.safe_load(set_value(text, ["two", "r"], 4)) == {"one": {"r": 8}, "two": {"r": 4}}


def test_a_text_that_stands_for_more_than_a_machine_holds_is_refused():
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    with pytest.raises(RecipeError, match="aliases"):
        opening.check(bomb)
    with pytest.raises(RecipeError, match=r"aliases|nested|valid"):
        opening.check("a: &a [*a]\n")
    with pytest.raises(RecipeError, match=r"nested|valid"):
        opening.check("a: " + "[" * 5000 + "]" * 5000)


@pytest.mark.parametrize("record", list(compose.KINDS))
def test_every_choice_gives_a_recipe_that_says_what_was_chosen(record: str):
    for kind in compose.KINDS[record]:
        for base in compose.bases():
            for hardware in compose.hardware_for(base):
                for weights in compose.weights_for(base, hardware):
                    text = compose.compose("mine", "rows.jsonl", record, base, kind, weights, hardware, 2)
                    recipe = opening.check(text)
                    stage = recipe.stages[kind]
                    assert recipe.base_model == base
                    assert stage.training["num_train_epochs"] == 2
                    assert (stage.lora is None) == (weights == "full")
                    assert (stage.quantization is None) == (weights != "qlora")


def test_figures_are_those_of_the_bundled_recipe():
    bundled = load_recipe("qwen3-8b/1x24gb-qlora").stages["sft"]
    text = compose.compose("mine", "rows.jsonl", "dialogue", "Qwen/Qwen3-8B-Base", "sft", "qlora", "1x24gb")
    stage = opening.check(text).stages["sft"]
    assert stage.training == bundled.training
    assert (stage.lora, stage.quantization) == (bundled.lora, bundled.quantization)


def test_what_records_cannot_teach_is_refused():
    with pytest.raises(RecipeError, match="from which dpo cannot learn; sft can"):
        compose.compose("mine", "rows.jsonl", "dialogue", compose.EMBEDDED, "dpo", "full", "cpu")


def test_names_do_not_lead_out_of_the_folder_of_runs(tmp_path: Path):
    places = Places(tmp_path / "runs")
    for name in ("../x", "/etc", "..", ".files", "a/b", "a\x00b", "", None, 7, "a" * 101, "A", "x/../../y"):
        with pytest.raises(OslerError, match="no name of a run"):
            places.run(name)
    with pytest.raises(OslerError):
        opening.open_bundled("../../pyproject")
    assert places.file("../../../etc/passwd") == tmp_path / "runs" / ".files" / "passwd"
    assert places.file("C:\\x\\问诊 记录.csv").name == "问诊-记录.csv"
    with pytest.raises(OslerError, match="no name of a file"):
        places.file("../..")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "link").symlink_to(tmp_path)
    with pytest.raises(OslerError, match="leads out"):
        places.run("link")


def test_a_recipe_cannot_extend_files_of_the_machine_through_the_board():
    with pytest.raises(RecipeError, match="extends"):
        opening.check("name: mine\nextends: /etc/secret.yaml\nstages: {}\n")


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({}, None),
        ({"corpora": [{"name": "{outside}/rows.jsonl"}]}, "stages.sft"),
        ({"corpora": [{"name": "{inside}/../rows.jsonl"}]}, "stages.sft"),
        ({"model": "/root/model"}, "stages.sft"),
        ({"training": {"output_dir": "/etc"}}, "stages.sft.training.output_dir"),
        ({"training": {"deepspeed": "../x.json"}}, "stages.sft.training.deepspeed"),
        ({"training": {"chat_template_path": "bundled:chatml"}}, None),
        ({"training": {"chat_template_path": "~/x"}}, "stages.sft.training.chat_template_path"),
        ({"training": {"push_to_hub": True}}, "stages.sft.training.push_to_hub"),
    ],
)
def test_with_a_key_a_recipe_reaches_the_folders_of_the_board_alone(change: dict, wrong: str | None, tmp_path: Path):
    stage = {"kind": "sft", "model": "base", "corpora": [{"name": f"{tmp_path}/rows.jsonl"}], **change}
    values = {"name": "mine", "base_model": "bundled:osler-nano-base", "stages": {"sft": stage}}
    text = yaml.safe_dump(values).replace("{inside}", str(tmp_path)).replace("{outside}", str(tmp_path.parent))
    refused_as(wrong, text, tmp_path)


def refused_as(wrong: str | None, text: str, folder: Path) -> None:
    if wrong is None:
        check_reach(opening.check(text), [folder])
        return
    with pytest.raises(RecipeError, match=f"^{wrong}: "):
        check_reach(opening.check(text), [folder])


def test_with_a_key_no_code_and_no_secret_goes_out(tmp_path: Path):
    head = "name: mine\nbase_model: {base}\n{allow}stages:\n"
    sft = "  sft: {kind: sft, model: base, corpora: [{name: bundled-dialogues}]}\n"
    serve = "serve: {model: sft, vllm: {trust-remote-code: true}}\n"
    teacher = "{url: 'http://example.org/v1', name: x, key_env: SECRET}"
    task = "[{task: exam, corpora: [{name: bundled-exam, part: train}]}]"
    synthesis = f"  made: {{kind: synthesise, teacher: {teacher}, tasks: {task}}}\n"
    plain = head.format(base="Qwen/Qwen3-8B-Base", allow="")
    refused_as(None, plain + sft, tmp_path)
    refused_as("allow", head.format(base="x/y", allow="allow: [remote_code]\n") + sft, tmp_path)
    refused_as("base_model", head.format(base="/root/model", allow="") + sft, tmp_path)
    refused_as("serve.vllm.trust-remote-code", plain + sft + serve, tmp_path)
    refused_as("stages.made", plain + synthesis, tmp_path)

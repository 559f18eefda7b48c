"""The card says what the run's manifests say, and huggingface_hub reads it back."""

import json
import re
import shutil
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from typer.testing import CliRunner

from corpora.errors import OslerError
from pipelines import loading, training
from pipelines.artifact import drafting, load_artifact, refuse_stage_folder
from pipelines.board.results import artifacts
from pipelines.cli import app
from pipelines.config import Recipe, load_recipe, training_data
from pipelines.release.card import write_card
from pipelines.release.export import export_shards
from pipelines.release.front_matter import licence, lineage
from pipelines.release.publish import publish
from pipelines.reward import read_model

RECIPE = """
name: mine
description: A model for the tests.
base_model: bundled:osler-nano-base
seed: 3
stages:
  cpt:
    kind: cpt
    model: base
    corpora: [{name: bundled-documents}, {name: openstax-economics}]
    training: {max_steps: 2, learning_rate: 0.001}
  aside:
    kind: sft
    model: base
    corpora: [{name: huatuo-consultation-qa}]
  sft:
    kind: sft
    model: cpt
    corpora: [{name: bundled-dialogues}]
  exam:
    kind: exam
    models: [base, cpt, sft]
    items: [{name: bundled-exam}]
serve: {model: sft}
"""


def sat(model: str, share: float, against: str | None = None) -> dict:
    score = {"share": share, "low": share - 0.05, "high": share + 0.05, "n": 300}
    found = {
        "model": model,
        "items": {"bundled-exam": {"all": score, "chance": 0.25, "majority": 0.27}},
        "bits_per_byte": {},
    }
    compared = {"bundled-exam": {"gained": 9, "lost": 1, "p": 0.02}}
    return found | ({"against": {"model": against, **compared}} if against else {})


@pytest.fixture
def run(tmp_path: Path, tiny_model: Path) -> tuple[Recipe, Path]:
    path = tmp_path / "mine.yaml"
    path.write_text(RECIPE)
    recipe = load_recipe(str(path))
    folder = tmp_path / "run"
    metrics = {
        "cpt": {"tokens": 5000, "tokens_per_second": 100, "final_loss": 2.5},
        "sft": {"tokens": 700, "final_loss": 1.25},
        "exam": {"base": sat("base", 0.3), "cpt": sat("cpt", 0.4, "base"), "sft": sat("sft", 0.61, "cpt")},
    }
    for name, figures in metrics.items():
        with drafting(folder / name, name, {"config": recipe.stages[name].model_dump()}) as draft:
            draft.metrics = figures
            if name != "exam":
                shutil.copytree(tiny_model, draft.folder / "model")
    return recipe, folder


def test_huggingface_hub_reads_the_front_matter(run, tmp_path: Path):
    recipe, folder = run
    card = ModelCard.load(write_card(recipe, folder, "sft", tmp_path / "osler-mine"))
    data = card.data
    assert data.license == "apache-2.0"
    assert data.library_name == "transformers"
    assert data.pipeline_tag == "text-generation"
    assert data.language == ["en"]
    assert data.tags[:2] == ["medical", "osler"]
    assert data.metrics == ["accuracy"]
    assert data.base_model is None  # the bundled base is not on the hub
    (result,) = data.eval_results
    assert (result.metric_type, result.metric_value, result.dataset_type) == ("accuracy", 61.0, "bundled-exam")
    assert result.metric_args == {"n": 300, "interval_95": [56.0, 66.0]}


def test_the_text_has_the_scores_beside_the_bases_and_the_choices_of_each_stage(run, tmp_path: Path):
    recipe, folder = run
    text = write_card(recipe, folder, "sft", tmp_path / "osler-mine").read_text()
    assert "| base | 30.0 (25.0 to 35.0) |" in text
    assert "| sft | 61.0 (56.0 to 66.0) |\n" in text  # it was compared with cpt, which is not in the table
    assert "compared with the one above" not in text
    assert "| cpt |" not in text.split("## How it was made")[0]
    assert '"learning_rate": 0.001' in text
    assert "openstax-economics" in text
    assert "CC BY 4.0" in text
    assert "bundled-dialogues" in text
    assert "In an emergency, call your local emergency number" in text
    for heading in ("## What it is for", "### What it must not be used for", "## Limits", "## Citation"):
        assert heading in text
    assert 'from_pretrained("osler-mine")' in text
    assert "were not recorded" in text
    assert "5,000" in text


def test_only_the_stages_and_data_that_the_model_is_made_from_are_named(run, tmp_path: Path):
    recipe, folder = run
    assert list(lineage(recipe, "sft")) == ["cpt", "sft"]
    assert "huatuo" not in write_card(recipe, folder, "sft", tmp_path / "m").read_text()
    nano = load_recipe("nano")
    assert list(lineage(nano, "dpo")) == ["replay", "extended", "cpt", "sft", "preferences", "dpo"]


def test_benchmarks_that_were_taken_out_of_the_data_are_no_data(run):
    stages = load_recipe("qwen3-8b/1x80gb-lora").stages
    asked = {item.name for stage in stages.values() if stage.kind == "exam" for item in stage.items}
    assert {"medqa-usmle", "pubmedqa-test"} <= asked
    assert not asked & set(training_data(stages))
    assert {"clinical-guidelines", "medical-textbooks", "fineweb-edu-10bt"} <= set(training_data(stages))


def test_the_licence_is_the_strictest():
    assert licence(["bundled-documents"], "apache-2.0") == {"license": "apache-2.0"}
    assert licence(["bundled-documents", "openstax-economics"], "mit") == {"license": "mit"}
    assert licence(["bundled-documents"], "unknown") == {"license": "unknown"}


def test_a_dataset_that_forbids_commercial_use_forbids_it_of_the_model():
    from corpora.catalog import find_dataset, load_catalog

    forbidding = [name for name, entry in load_catalog().items() if entry.commercial == "no"]
    assert forbidding
    for name in forbidding:
        found = licence(["openstax-economics", name], "apache-2.0")
        assert found["license"] == "other" or "nc" in found["license"], name
        if find_dataset(name).share_alike == "yes":
            assert found["license"] == "other" or "sa" in found["license"], name
    unsettled = next(name for name, entry in load_catalog().items() if entry.commercial == "unknown")
    assert licence([unsettled], "apache-2.0") == {"license": "unknown"}


def test_publish_writes_the_card_and_the_manifest_names_it(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("pipelines.release.publish.OPENINGS", ("The old house stood",))
    recipe, folder = run
    target = publish(recipe, folder, "sft", tmp_path / "given")
    assert ModelCard.load(target / "README.md").data.license == "apache-2.0"
    assert '"README.md"' in (target / "manifest.json").read_text()


def test_a_model_that_is_published_again_has_no_weights_of_the_one_before(
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("pipelines.release.publish.OPENINGS", ("The old house stood",))
    recipe, folder = run
    given = tmp_path / "given"
    export_shards(folder / "cpt" / "model", given, "100KB")
    assert len(list(given.glob("model-*.safetensors"))) > 2
    publish(recipe, folder, "sft", given)
    assert [path.name for path in given.glob("*.safetensors*")] == ["model.safetensors"]
    assert not [name for name in json.loads((given / "manifest.json").read_text())["files"] if "-of-" in name]
    assert (given / "model.safetensors").stat().st_mode & 0o077 == (given / "README.md").stat().st_mode & 0o077
    publish(recipe, folder, "cpt", given)  # a folder that was published is no stage's


def test_weights_of_another_make_are_not_lost(run, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("pipelines.release.publish.OPENINGS", ("The old house stood",))
    recipe, folder = run
    theirs = tmp_path / "theirs"
    shutil.copytree(tiny_model, theirs)
    before = (theirs / "model.safetensors").read_bytes()
    with pytest.raises(OslerError, match=r"model\.safetensors: weights that osler did not write here"):
        publish(recipe, folder, "sft", theirs)
    with pytest.raises(OslerError, match=r"model\.safetensors: weights that osler did not write here"):
        export_shards(folder / "cpt" / "model", theirs, "100KB")
    assert (theirs / "model.safetensors").read_bytes() == before
    assert not (theirs / "manifest.json").exists()


def test_a_publication_that_was_broken_off_is_tried_again(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    recipe, folder = run

    def broken_off(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("pipelines.release.publish.samples", broken_off)
        with pytest.raises(KeyboardInterrupt):
            publish(recipe, folder, "sft", tmp_path / "given")
    monkeypatch.setattr("pipelines.release.publish.OPENINGS", ("The old house stood",))
    target = publish(recipe, folder, "sft", tmp_path / "given")
    files = json.loads((target / "manifest.json").read_text())["files"]
    assert "model.safetensors" in files
    assert "manifest.json" not in files


@pytest.mark.parametrize("below", [".", "model", "more/there"])
def test_a_stages_own_folder_is_no_place_to_give_its_model_away(run, below: str):
    recipe, folder = run
    before = (folder / "sft" / "manifest.json").read_bytes()
    with pytest.raises(OslerError, match="belongs to a finished stage of a run"):
        publish(recipe, folder, "cpt", folder / "sft" / below)
    done = CliRunner().invoke(
        app, ["export", str(folder / "cpt"), "--to", str(folder / "sft" / below), "--gguf", "f16"]
    )
    assert isinstance(done.exception, OslerError)
    assert (folder / "sft" / "manifest.json").read_bytes() == before
    assert not list((folder / "sft").rglob("*.gguf"))


def test_a_model_that_is_given_away_into_its_run_is_no_stage_of_it(
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The board read its manifest as a stage's, and failed; a stage that ran later would have replaced it."""
    monkeypatch.setattr("pipelines.release.publish.OPENINGS", ("The old house stood",))
    recipe, folder = run
    given = publish(recipe, folder, "sft", folder / "given")
    assert load_artifact(given) is None
    assert "given" not in artifacts(folder)
    for name in ("aside", "serve"):
        with pytest.raises(OslerError, match=f"this run's stage '{name}' will be there"):
            publish(recipe, folder, "sft", folder / name)
    (tmp_path / "manifest.json").write_text("5")  # another program's, above
    refuse_stage_folder(tmp_path / "more")


def test_the_cards_memory_is_the_largest_of_its_table(run, tmp_path: Path):
    recipe, folder = run
    path = folder / "cpt" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["metrics"]["vllm_memory_gib"] = 40.0
    path.write_text(json.dumps(manifest))
    text = write_card(recipe, folder, "sft", tmp_path / "m").read_text()
    largest = max(
        float(row.split("|")[4])
        for row in text.splitlines()
        if row.startswith(("| cpt |", "| sft |")) and row.count("|") == 8
    )
    assert largest > 40
    told = re.search(r", (\d+\.\d) GiB of memory at most", text)
    assert told is not None
    assert float(told[1]) == pytest.approx(largest, abs=0.06)  # both are rounded, to other places


def test_a_reward_model_is_given_away_as_one_that_scores(run, tmp_path: Path, tiny_model: Path):
    recipe, folder = run
    block = {"kind": "reward", "model": "sft", "preferences": {"name": "pairs.jsonl"}}
    recipe = Recipe.model_validate(
        {**recipe.model_dump(), "stages": {**recipe.model_dump()["stages"], "scorer": block}}
    )
    with drafting(folder / "scorer", "scorer", {"config": recipe.stages["scorer"].model_dump()}) as draft:
        held_out = {"pairs": 40, "accuracy": 0.8, "low": 0.65, "high": 0.9, "mean_margin": 1.25}
        draft.metrics = {"tokens": 90, "held_out": held_out}
        training.save_model(read_model(tiny_model), loading.load_tokenizer(tiny_model), draft.folder / "model")
    target = publish(recipe, folder, "scorer", tmp_path / "given")
    card = ModelCard.load(target / "README.md")
    assert card.data.pipeline_tag == "text-classification"
    assert "Of 40 held-out pairs of answers it prefers the chosen one in 80.0% (95% interval 65.0 to 90.0)" in card.text
    assert "AutoModelForCausalLM" not in card.text
    code = card.text.split("```python\n")[1].split("```")[0].replace('"given"', repr(str(target)))
    told: dict = {}
    exec(code, told)  # what the card tells people to do
    assert told["reward"].ndim == 0
    manifest = json.loads((target / "manifest.json").read_text())
    assert manifest["samples"] == []
    assert manifest["tokens"] == 5000 + 700 + 90


def test_a_stage_without_a_model_is_named(run, tmp_path: Path):
    recipe, folder = run
    with pytest.raises(OslerError, match="no finished model; those of this run: cpt, sft"):
        write_card(recipe, folder, "aside", tmp_path / "m")


def test_the_command_writes_the_card(run, tmp_path: Path):
    _, folder = run
    given = ["card", "cpt", str(tmp_path / "m"), "--recipe", str(tmp_path / "mine.yaml"), "--run", str(folder)]
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 0, done.output
    assert ModelCard.load(tmp_path / "m" / "README.md").data.eval_results[0].metric_value == 40.0

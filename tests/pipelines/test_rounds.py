"""Two rounds of sampling, pairing and DPO for real: the second starts from what the first left."""

import json
import shutil
from pathlib import Path

import pytest

from pipelines.artifact import fingerprint
from pipelines.config import load_recipe
from pipelines.reproduce import reproduce

RECIPE = Path(__file__).parents[1] / "recipes" / "rounds.yaml"


@pytest.mark.slow
def test_two_rounds_run_and_are_skipped_when_they_are_done(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    shutil.copy(RECIPE, tmp_path / "rounds.yaml")
    recipe = load_recipe(str(tmp_path / "rounds.yaml"))
    made = reproduce(recipe, tmp_path / "run")
    assert list(made) == ["preferences-1", "dpo-1", "preferences-2", "dpo-2"]
    for number in (1, 2):
        metrics = made[f"preferences-{number}"].metrics
        (step,) = metrics["waterfall"]
        assert step["in"] == 24 == step["kept"] + sum(step["dropped"].values())
        assert metrics["samples"] == 96
        assert metrics["pairs"] > 0
        assert made[f"dpo-{number}"].metrics["steps"] == 3
        assert (made[f"dpo-{number}"].model / "model.safetensors").is_file()
    # The second round sampled from the first one's model, other prompts, and trained that model on.
    for name in ("preferences-2", "dpo-2"):
        assert made["dpo-1"].output in made[name].manifest["given"]["inputs"]["models"]
    prompts = [
        {
            json.loads(line)["id"]
            for line in (made[f"preferences-{number}"].folder / "records.jsonl").read_text().splitlines()
        }
        for number in (1, 2)
    ]
    assert prompts[0] != prompts[1]
    assert fingerprint(made["dpo-1"].manifest["files"]) != fingerprint(made["dpo-2"].manifest["files"])

    capfd.readouterr()
    reproduce(recipe, tmp_path / "run")
    assert capfd.readouterr().err.count("done before, skipped") == 4

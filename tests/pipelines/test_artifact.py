"""A folder with a manifest is a finished stage; nothing half-written is taken for one."""

import contextlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from corpora.errors import OslerError
from pipelines import artifact
from pipelines.artifact import changes, drafting, fingerprint, load_artifact, matches, refuse_others_folder
from tests.interrupted import cut_after_one_removal

GIVEN = {"config": {"kind": "x"}, "seed": 1}


def finish(folder: Path, given=GIVEN, text: str = "result"):
    with drafting(folder, "x", given) as draft:
        (draft.folder / "out.txt").write_text(text)
        draft.metrics = {"loss": 1.5}


def test_a_folder_that_no_stage_made_is_left_alone(tmp_path: Path):
    folder = tmp_path / "x"
    folder.mkdir()
    finish(folder)  # an empty one holds nothing to lose
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "thesis.txt").write_text("years of work")
    with pytest.raises(OslerError, match="own: this folder holds files that no stage of osler made"):
        finish(tmp_path / "own")
    with pytest.raises(OslerError, match=r"thesis\.txt: a file is there"):
        finish(tmp_path / "own" / "thesis.txt")
    assert {path.name for path in tmp_path.iterdir()} == {"x", "own"}
    assert (tmp_path / "own" / "thesis.txt").read_text() == "years of work"


def test_a_stage_that_a_link_names_is_used_and_stays_where_it_is(tmp_path: Path):
    finish(tmp_path / "disk", text="old")
    folder = tmp_path / "x"
    folder.symlink_to(tmp_path / "disk")
    refuse_others_folder(folder)
    assert matches(folder, fingerprint(GIVEN)) is not None
    finish(folder, {**GIVEN, "seed": 2}, text="new")
    assert not folder.is_symlink()
    assert [(place / "out.txt").read_text() for place in (folder, tmp_path / "disk")] == ["new", "old"]


def interrupted(folder: Path, given: dict, left: str) -> set[str]:
    """A try that leaves a file and is cut; what it found of earlier ones."""
    found: set[str] = set()
    with contextlib.suppress(KeyboardInterrupt), drafting(folder, "x", given) as draft:
        found = {path.name for path in draft.checkpoints.iterdir()} - {"key"}
        (draft.checkpoints / left).mkdir(exist_ok=True)
        raise KeyboardInterrupt
    return found


def test_checkpoints_of_other_settings_are_put_aside_and_found_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder, other = tmp_path / "x", {**GIVEN, "seed": 2}
    assert interrupted(folder, GIVEN, "checkpoint-100") == set()
    assert interrupted(folder, GIVEN, "checkpoint-200") == {"checkpoint-100"}
    assert interrupted(folder, other, "checkpoint-1") == set()
    assert "x: begins anew" in capsys.readouterr().err
    assert interrupted(folder, GIVEN, "checkpoint-300") == {"checkpoint-100", "checkpoint-200"}
    assert "those of an earlier try again" in capsys.readouterr().err
    assert interrupted(folder, other, "checkpoint-2") == {"checkpoint-1"}
    finish(folder, other)
    assert {path.name for path in tmp_path.iterdir()} == {"x"}


@pytest.mark.parametrize("renamed", [1, 2])
def test_a_swap_that_was_cut_loses_neither_try(tmp_path: Path, renamed: int):
    """Killed after the first or the second of the three renames by which checkpoints and those aside change places."""
    folder, other = tmp_path / "x", {**GIVEN, "seed": 2}
    interrupted(folder, GIVEN, "checkpoint-100")
    interrupted(folder, other, "checkpoint-1")
    now, before = tmp_path / "x.partial.checkpoints", tmp_path / "x.partial.checkpoints.before"
    now.rename(tmp_path / "x.partial.checkpoints.before.new")
    if renamed == 2:
        before.rename(now)
    assert interrupted(folder, GIVEN, "checkpoint-200") == {"checkpoint-100"}
    assert interrupted(folder, other, "checkpoint-2") == {"checkpoint-1"}
    finish(folder, other)
    assert {path.name for path in tmp_path.iterdir()} == {"x"}


def test_a_try_that_is_aside_is_gone_on_from_when_none_stands_in_its_place(tmp_path: Path):
    folder = tmp_path / "x"
    interrupted(folder, GIVEN, "checkpoint-100")
    (tmp_path / "x.partial.checkpoints").rename(tmp_path / "x.partial.checkpoints.before")
    assert interrupted(folder, GIVEN, "checkpoint-200") == {"checkpoint-100"}


def test_where_a_try_is_put_aside_is_told_in_full_and_what_that_removes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = tmp_path / "[v2]" / "x"
    interrupted(folder, GIVEN, "checkpoint-100")
    interrupted(folder, {**GIVEN, "seed": 2}, "checkpoint-1")
    told = capsys.readouterr().err
    assert f"{folder}.partial.checkpoints.before" in told
    assert "is removed" not in told
    interrupted(folder, {**GIVEN, "seed": 3}, "checkpoint-1")
    assert "what a try before that one had left there is removed" in capsys.readouterr().err


def test_what_is_made_in_minutes_is_not_put_aside(tmp_path: Path):
    interrupted(tmp_path / "x", GIVEN, "rows")
    assert interrupted(tmp_path / "x", {**GIVEN, "seed": 2}, "rows") == set()
    assert not (tmp_path / "x.partial.checkpoints.before").exists()


def test_a_replacement_that_was_cut_off_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "x"
    finish(folder)
    (folder / "model").mkdir()
    with cut_after_one_removal(monkeypatch), pytest.raises(KeyboardInterrupt):
        finish(folder, {**GIVEN, "seed": 2})
    assert matches(folder, fingerprint(GIVEN)) is None
    finish(folder, {**GIVEN, "seed": 2}, text="new")
    assert (folder / "out.txt").read_text() == "new"


def test_a_finished_stage_matches_what_it_was_given(tmp_path: Path):
    folder = tmp_path / "x"
    finish(folder)
    artifact = matches(folder, fingerprint(GIVEN))
    assert artifact is not None
    assert artifact.metrics == {"loss": 1.5}
    assert set(artifact.manifest["files"]) == {"out.txt"}
    assert matches(folder, fingerprint({**GIVEN, "seed": 2})) is None


def test_an_interrupted_stage_leaves_no_artifact_and_keeps_its_checkpoints(tmp_path: Path):
    folder = tmp_path / "x"
    with pytest.raises(KeyboardInterrupt), drafting(folder, "x", GIVEN) as draft:
        (draft.checkpoints / "checkpoint-1").mkdir()
        (draft.folder / "half").write_text("half")
        raise KeyboardInterrupt
    assert load_artifact(folder) is None
    with drafting(folder, "x", GIVEN) as draft:
        assert not (draft.folder / "half").exists()
        assert (draft.checkpoints / "checkpoint-1").is_dir()
    assert not draft.checkpoints.exists()


def test_checkpoints_of_another_config_are_thrown_away(tmp_path: Path):
    folder = tmp_path / "x"
    with pytest.raises(KeyboardInterrupt), drafting(folder, "x", GIVEN) as draft:
        (draft.checkpoints / "checkpoint-1").mkdir()
        raise KeyboardInterrupt
    with drafting(folder, "x", {**GIVEN, "seed": 2}) as draft:
        assert not (draft.checkpoints / "checkpoint-1").exists()


def test_the_old_artifact_stays_until_the_new_one_is_whole(tmp_path: Path):
    folder = tmp_path / "x"
    finish(folder, text="old")
    with pytest.raises(RuntimeError), drafting(folder, "x", {**GIVEN, "seed": 2}):
        raise RuntimeError
    assert (folder / "out.txt").read_text() == "old"


def test_what_has_changed_since_is_named(tmp_path: Path):
    folder = tmp_path / "x"
    assert changes(folder, GIVEN) == []
    finish(folder, {"config": {"kind": "x", "path": Path("a"), "training": {"learning_rate": 0.1}}, "seed": 1})
    now = {"config": {"kind": "x", "path": Path("a"), "training": {"learning_rate": 0.2, "max_steps": 3}}, "seed": 1}
    assert changes(folder, now) == ["config.training.learning_rate", "config.training.max_steps"]


def test_a_missing_file_makes_the_stage_run_again(tmp_path: Path):
    folder = tmp_path / "x"
    finish(folder)
    (folder / "out.txt").unlink()
    assert matches(folder, fingerprint(GIVEN)) is None


def test_a_damaged_manifest_is_named(tmp_path: Path):
    folder = tmp_path / "x"
    finish(folder)
    (folder / "manifest.json").write_text("{")
    with pytest.raises(OslerError, match=r"manifest\.json: damaged"):
        load_artifact(folder)


def test_the_output_hash_follows_the_bytes(tmp_path: Path):
    finish(tmp_path / "a", text="one")
    finish(tmp_path / "b", text="one")
    finish(tmp_path / "c", text="two")
    outputs = [load_artifact(tmp_path / name).output for name in "abc"]  # type: ignore[union-attr]
    assert outputs[0] == outputs[1] != outputs[2]


def test_the_commit_is_that_of_the_code_and_of_no_checkout_around_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-C", str(tmp_path)]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "another project"]):
        subprocess.run([*git, *words], check=True)
    installed = tmp_path / ".venv" / "pipelines"
    installed.mkdir(parents=True)
    shutil.copy(artifact.__file__, installed / "artifact.py")
    assert re.fullmatch("[0-9a-f]{40}", artifact.git_commit())
    monkeypatch.setattr(artifact, "__file__", str(installed / "artifact.py"))
    assert artifact.git_commit() == "unknown"
    monkeypatch.setenv("PATH", str(tmp_path))  # a container has no git
    assert artifact.git_commit() == "unknown"


def test_a_folder_that_another_machine_replaces_meanwhile_holds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Path, "is_file", lambda _: True)  # a moment ago
    assert load_artifact(tmp_path) is None

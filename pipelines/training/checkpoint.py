"""Checkpoints that are either whole or not there, for every trainer.

transformers writes the files of a checkpoint one after the other into its final folder, without a checksum, so that a
run killed while saving leaves a torn newest checkpoint that a resumed run takes for whole. Here a checkpoint is written
beside its place, hashed, synced to the disk, and then renamed; a resumed run takes the newest one whose files all agree with their
hashes. An older checkpoint is removed only when a newer one is in its place, so that a full disk leaves the last good one.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rich.console import Console
from transformers import Trainer

from corpora.disk import file_sha256
from corpora.errors import OslerError

SEAL = "sha256.json"
SAVING, REPLACED = "saving", "replaced"  # folders beside the checkpoints, for the time of a save
console = Console(stderr=True, highlight=False)


class CheckpointError(OslerError):
    """A checkpoint that could not be written."""


def save_whole(trainer: Trainer) -> None:
    """Makes ``trainer`` write whole checkpoints.

    Every process of a run on several devices writes its part; the first one hashes and renames when all have ended.

    Raises:
        CheckpointError: (from the trainer, at a save) the disk is full or not writable; older checkpoints are still there.
    """
    write = trainer._save_checkpoint

    def save(model: Any, trial: Any) -> None:
        folder = Path(str(trainer.args.output_dir))
        draft = folder / SAVING
        if trainer.args.should_save:
            shutil.rmtree(draft, ignore_errors=True)
        trainer.accelerator.wait_for_everyone()
        # The trainer asks this for the folder that its checkpoint-<step> goes into.
        trainer._get_output_dir = lambda trial=None: str(draft)
        try:
            write(model, trial)
            trainer.accelerator.wait_for_everyone()
            if trainer.args.should_save:
                step = trainer.state.global_step
                seal(draft / f"checkpoint-{step}")
                _put_in_place(draft / f"checkpoint-{step}", folder / f"checkpoint-{step}")
                _remove_old(folder, trainer.args.save_total_limit)
        except Exception as error:
            if not _is_of_disk(error):
                raise
            shutil.rmtree(draft, ignore_errors=True)
            free = shutil.disk_usage(folder).free / 2**30
            raise CheckpointError(
                f"{folder}: the checkpoint of step {trainer.state.global_step} could not be written ({error}); {free:.2f} GiB "
                "are free. The checkpoints before it are whole: free some disk and run the same command to go on"
            ) from error
        finally:
            del trainer._get_output_dir  # the method of the class again
        trainer.accelerator.wait_for_everyone()

    trainer._save_checkpoint = save


def _is_of_disk(error: Exception) -> bool:
    """Whether the error says that a file could not be written, in any of the words of the libraries that write."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO, errno.EROFS)
    words = str(error).lower()
    # safetensors' own error, and that of torch's zip writer.
    return type(error).__name__ == "SafetensorError" or "file write failed" in words or "inline_container" in words


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _hashes(folder: Path, skip: str = SEAL) -> dict[str, str]:
    """SHA-256 of each file below ``folder`` by relative path, several files at once: hashing frees the interpreter."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != skip)
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        return {
            str(path.relative_to(folder)): digest
            for path, digest in zip(files, pool.map(file_sha256, files), strict=True)
        }


def seal(folder: Path) -> None:
    """Writes the SHA-256 of each file of ``folder`` into it, and sees that all of it is on the disk."""
    (folder / SEAL).write_text(json.dumps(_hashes(folder), indent=1), encoding="utf-8")
    for path in [*folder.rglob("*"), folder]:
        _sync(path)


def _put_in_place(draft: Path, target: Path) -> None:
    """Renames ``draft`` to ``target``; what was at ``target`` (a damaged one, or that of a step done again) goes after it."""
    old = target.parent / REPLACED
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    draft.rename(target)
    _sync(target.parent)
    shutil.rmtree(old, ignore_errors=True)
    shutil.rmtree(draft.parent, ignore_errors=True)


def _by_step(folder: Path) -> list[Path]:
    """The ``checkpoint-<step>`` below ``folder``, oldest first."""
    numbered = [path for path in folder.glob("checkpoint-*") if path.name.removeprefix("checkpoint-").isdigit()]
    return sorted(numbered, key=lambda path: int(path.name.removeprefix("checkpoint-")))


def _remove_old(folder: Path, limit: int | None) -> None:
    """Keeps the newest ``limit`` checkpoints; None or 0 keeps all, as transformers' ``save_total_limit`` does."""
    if limit:
        for path in _by_step(folder)[:-limit]:
            shutil.rmtree(path)


def is_whole(folder: Path) -> bool:
    """Whether the checkpoint was sealed and its bytes are still those that were sealed."""
    path = folder / SEAL
    if not path.is_file():
        return False
    try:
        sealed = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return bool(sealed == _hashes(folder))


def newest_whole(folder: Path) -> Path | None:
    """The newest whole ``checkpoint-<step>`` below ``folder``, or None; a damaged one is passed over with a warning."""
    damaged: list[str] = []
    for path in reversed(_by_step(folder)):
        if is_whole(path):
            break
        damaged.append(path.name)
    else:
        path = None  # type: ignore[assignment]
    if damaged:
        going = f"going on from {path.name}" if path is not None else "there is no other: the stage starts again"
        console.print(
            f"[bold yellow]warning:[/bold yellow] {folder}: {', '.join(damaged)} is damaged (its bytes are not those that were saved); {going}",
            soft_wrap=True,
        )
    return path

"""Checkpoints that are either whole or not there, for every trainer.

transformers writes the files of a checkpoint one after the other into its final folder, without a checksum, so that a
run killed while saving leaves a torn newest checkpoint that a resumed run takes for whole. Here a checkpoint counts only
once the SHA-256 of each of its files is beside them; a resumed run takes the newest one whose files all agree.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from pipelines import sharding
from pipelines.artifact import folder_hashes, write_whole

SEAL = "sha256.json"


class SealCheckpoints(TrainerCallback):  # type: ignore[misc]
    """Writes the checksums of each checkpoint once it is complete."""

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Seals the checkpoint of the current step (on one process of each run)."""
        sharding.wait_for_all()  # each process writes files of its own
        if state.is_world_process_zero and args.output_dir is not None:
            seal(Path(args.output_dir) / f"checkpoint-{state.global_step}")


def seal(folder: Path) -> None:
    """Writes the SHA-256 of each file of ``folder`` into it, in one atomic rename."""
    write_whole(folder / SEAL, json.dumps(folder_hashes(folder, skip=(SEAL, SEAL + ".draft")), indent=1))


def is_whole(folder: Path) -> bool:
    """Whether the checkpoint was sealed and its bytes are still those that were sealed."""
    path = folder / SEAL
    if not path.is_file():
        return False
    try:
        sealed = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError:
        return False
    return bool(sealed == folder_hashes(folder, skip=(SEAL,)))


def newest_whole(folder: Path) -> Path | None:
    """The newest whole ``checkpoint-<step>`` below ``folder``, or None."""
    numbered = [path for path in folder.glob("checkpoint-*") if path.name.removeprefix("checkpoint-").isdigit()]
    for path in sorted(numbered, key=lambda path: int(path.name.removeprefix("checkpoint-")), reverse=True):
        if is_whole(path):
            return path
    return None

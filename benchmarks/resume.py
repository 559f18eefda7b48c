"""Kills training with SIGKILL at random points, half of them within a save, and checks that it ends in the same weights.

    python benchmarks/resume.py --points 200            # writes benchmarks/results/resume.{json,md}

Each point is a stage of its own: it runs with packing, shuffling, dropout and gradient accumulation until it is killed, is run
again by the same command, and its model's SHA-256 is compared with that of a run that nobody touched. The stages are Osler's own,
with checkpoints every second step and the trackers on. Processes are forked from one that has imported everything, so that
a point takes seconds; what is forked has computed nothing yet.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import Qwen3Config, Qwen3ForCausalLM, set_seed

from corpora.records import Preference
from pipelines import loading, training
from pipelines.artifact import drafting
from pipelines.config import MODELS, Corpus, CptStage, DpoStage, Lora, SftStage, TrainingStage
from pipelines.cpt import cpt
from pipelines.data import Sources
from pipelines.dpo import dpo
from pipelines.sft import sft

RESULTS = Path(__file__).parent / "results"
SCHEDULE = {
    "max_steps": 8,
    "save_steps": 2,
    "per_device_train_batch_size": 2,
    "gradient_accumulation_steps": 2,
    "learning_rate": 0.001,
    "logging_steps": 1,
}
WORK: dict[str, Callable[..., None]] = {"cpt": cpt, "sft": sft, "dpo": dpo}


def small_model(folder: Path) -> Path:
    """A Qwen3 of two layers with random weights and dropout in its attention."""
    tokenizer = loading.load_tokenizer(MODELS / "osler-nano-base")
    set_seed(5)
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=512,
        attention_dropout=0.1,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
    )
    training.save_model(Qwen3ForCausalLM(config), tokenizer, folder)
    return folder


def stages(folder: Path) -> dict[str, TrainingStage]:
    """The stages that are killed; the pairs of dpo are written to ``folder``."""
    pairs = folder / "pairs.jsonl"
    with pairs.open("w", encoding="utf-8") as stream:
        for number in range(40):
            record = Preference(
                id=str(number),
                prompt=[{"role": "user", "content": f"What is number {number}?"}],  # type: ignore[list-item]
                chosen=f"It is {number}, as you say.",
                rejected="I do not know that at all.",
                source="made",
            )
            stream.write(record.model_dump_json() + "\n")
    packed = {**SCHEDULE, "packing": True, "max_length": 128}
    return {
        "cpt": CptStage(
            kind="cpt",
            model="base",
            corpora=[Corpus(name="bundled-documents", limit=60)],
            sequence_length=64,
            optimizer="muon",
            training=SCHEDULE,
        ),
        "sft": SftStage(
            kind="sft", model="base", corpora=[Corpus(name="bundled-dialogues", limit=120)], training=packed
        ),
        "dpo": DpoStage(
            kind="dpo",
            model="base",
            preferences=Corpus(name=str(pairs)),
            lora=Lora(r=4, lora_dropout=0.1),
            training=SCHEDULE,
        ),
    }


def start(stage: TrainingStage, model: Path, folder: Path) -> int:
    """Forks a process that runs ``stage`` into ``folder`` and returns its id. Its output goes to ``folder.log``."""
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        log = os.open(folder.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        torch.set_num_threads(1)
        kind = str(getattr(stage, "kind"))  # noqa: B009
        with drafting(folder, kind, {"config": stage.model_dump()}) as draft:
            WORK[kind](stage, 3, model, Sources(None, 3, {}), draft)
        code = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)


def ended(process: int, wait: bool = False) -> int | None:
    """The exit code of a process, or None while it runs."""
    found, status = os.waitpid(process, 0 if wait else os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def digest(folder: Path) -> str:
    """SHA-256 of the model's weights."""
    return hashlib.sha256((folder / "model" / "model.safetensors").read_bytes()).hexdigest()


@dataclass
class Untouched:
    """A run that nobody touched: its weights' hash, its seconds, and the seconds of its saves."""

    sha256: str
    seconds: float
    saves: list[float]


def untouched(stage: TrainingStage, model: Path, folder: Path) -> Untouched:
    """Runs ``stage`` to its end and times its saves by the folder that exists only while one goes on."""
    saving = folder.with_name(folder.name + ".partial.checkpoints") / "saving"
    started, saves, since = time.perf_counter(), [], 0.0
    process = start(stage, model, folder)
    while (code := ended(process)) is None:
        there = saving.exists()
        if there and not since:
            since = time.perf_counter()
        elif not there and since:
            saves.append(time.perf_counter() - since)
            since = 0.0
        time.sleep(0.0005)
    if code != 0:
        raise SystemExit(f"the untouched run failed: {folder.with_suffix('.log').read_text()[-2000:]}")
    return Untouched(digest(folder), time.perf_counter() - started, saves)


@dataclass
class Point:
    """One kill and what came of it."""

    stage: str
    wished: str  # "anywhere" or "in a save"
    in_a_save: bool  # what it hit
    checkpoints: int  # whole ones that it left
    exit_code: int  # of the run after it
    equal: bool  # its weights to the untouched run's


def kill(
    kind: str, stage: TrainingStage, model: Path, folder: Path, whole: Untouched, draw: random.Random, save: bool
) -> Point:
    """Starts, kills, starts again, compares."""
    checkpoints = folder.with_name(folder.name + ".partial.checkpoints")
    while True:
        process = start(stage, model, folder)
        if save:
            number = draw.randrange(len(whole.saves))
            seen, there = -1, False
            while ended_before(process) is None and seen < number:
                now = (checkpoints / "saving").exists()
                seen += now and not there
                there = now
                time.sleep(0.0002)
            time.sleep(draw.uniform(0, whole.saves[number]))
        else:
            time.sleep(draw.uniform(0.05, whole.seconds))
        in_a_save = (checkpoints / "saving").exists()
        os.kill(process, signal.SIGKILL)
        if ended(process, wait=True) == -signal.SIGKILL and not (folder / "manifest.json").exists():
            break
        for path in (folder, checkpoints):  # it had ended by itself before the signal came
            shutil.rmtree(path, ignore_errors=True)
    left = len(list(checkpoints.glob("checkpoint-*")))
    code = ended(start(stage, model, folder), wait=True)
    assert code is not None
    same = code == 0 and digest(folder) == whole.sha256
    return Point(kind, "in a save" if save else "anywhere", in_a_save, left, code, same)


def ended_before(process: int) -> bool | None:
    """True when the process is a zombie already, without reaping it; else None."""
    try:
        found = os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True
    return True if found is not None else None


def measure(points: int, kinds: list[str], seed: int) -> dict[str, Any]:
    """``points`` kills of each kind of stage."""
    training.quiet()
    found: dict[str, Any] = {"points_a_stage": points, "stages": {}}
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        model = small_model(place / "base")
        for kind, stage in stages(place).items():
            if kind not in kinds:
                continue
            whole = untouched(stage, model, place / f"{kind}-untouched")
            again = untouched(stage, model, place / f"{kind}-again")
            if whole.sha256 != again.sha256:
                raise SystemExit(f"{kind}: two untouched runs differ; nothing can be said about a killed one")
            hit: list[Point] = []
            for number in range(points):
                folder = place / f"{kind}-{number}"
                hit.append(kill(kind, stage, model, folder, whole, draw, save=number % 2 == 1))
                if not hit[-1].equal:
                    print(folder.with_suffix(".log").read_text()[-2000:], file=sys.stderr)
                for path in place.glob(f"{kind}-{number}*"):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
                print(f"\r{kind}: {number + 1} of {points}", end="", file=sys.stderr, flush=True)
            print(file=sys.stderr)
            found["stages"][kind] = {
                "sha256": whole.sha256,
                "seconds": round(whole.seconds, 2),
                "saves_seconds": [round(each, 4) for each in whole.saves],
                "kills": len(hit),
                "in_a_save": sum(point.in_a_save for point in hit),
                "without_a_checkpoint": sum(point.checkpoints == 0 for point in hit),
                "failed_resumes": sum(point.exit_code != 0 for point in hit),
                "equal": sum(point.equal for point in hit),
                "points": [asdict(point) for point in hit],
            }
    return found


def report(found: dict[str, Any]) -> str:
    """The table."""
    lines = [
        "# Killed and gone on",
        "",
        f"{found['points_a_stage']} kills with SIGKILL of each stage, at random points, half of them aimed within a save; each run was then",
        f"started again and its weights compared with those of an untouched run. Made by `python benchmarks/resume.py --points {found['points_a_stage']}`.",
        "",
        "| stage | kills | hit within a save | before the first checkpoint | failed resumes | weights equal |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for kind, one in found["stages"].items():
        lines.append(
            f"| {kind} | {one['kills']} | {one['in_a_save']} | {one['without_a_checkpoint']} | {one['failed_resumes']} | {one['equal']} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=200, help="kills of each stage")
    parser.add_argument("--stages", nargs="+", default=list(WORK), choices=list(WORK))
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    found = measure(asked.points, asked.stages, asked.seed)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "resume.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    (RESULTS / "resume.md").write_text(report(found), encoding="utf-8")
    print(report(found))


if __name__ == "__main__":
    main()

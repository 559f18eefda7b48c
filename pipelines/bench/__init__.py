"""Training speed, measured side by side in one run: loops by hand, Osler's stages, TRL's defaults and LLaMA-Factory.

All train the same model on the same rows. Speed is counted in tokens that are not padding, after warm-up steps that are not counted. A
loop by hand runs plain and compiled, in bfloat16 and, where that is slower (a processor without matrix units), in float32; ratios are
to the fastest of each kind. LLaMA-Factory runs in an environment of its own, in both number formats too. DPO's rate includes its
reference's pass over the pairs, shared over ``EPOCHS`` epochs of training.
"""

from __future__ import annotations

import functools
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import peft
import torch

from corpora.bundled.render import render
from corpora.errors import OslerError
from corpora.records import Dialogue, Document
from pipelines import loading, training
from pipelines.artifact import Draft
from pipelines.bench.loops import Ids, dpo_loss, endless, loop_rate, next_token_loss, sorted_batches, sorted_pairs
from pipelines.bench.trainers import Reference, Row, reference_timed, stage_rate, trl_rate
from pipelines.config import Corpus, CptStage, DpoStage, Lora, SftStage
from pipelines.cpt import cpt
from pipelines.data import Sources
from pipelines.dpo import dpo
from pipelines.sft import sft
from pipelines.training.adapters import lora_config
from pipelines.training.blocks import blocks
from serving.hardware import fast_bfloat16, has_gpu, use_processor_well

LENGTH = 128  # tokens of a CPT row
BATCH = 16  # rows of a step
PAIRS = 400
EPOCHS = 2  # of DPO, as recipe nano has it
KINDS = ("cpt", "sft", "dpo")
PEER = Path(__file__).with_name("llamafactory_rate.py")
PEER_STAGES = {"cpt": "pt", "sft": "sft", "dpo": "dpo"}  # what LLaMA-Factory calls them


class PeerError(OslerError):
    """LLaMA-Factory did not run."""


@dataclass(frozen=True)
class Bench:
    """What is measured on: a model, its rows as files, and for how long each time."""

    model: str
    folder: Path  # holds cpt.jsonl, sft.jsonl and dpo.jsonl
    seconds: float

    def file(self, kind: str) -> Path:
        """The rows of a stage."""
        return self.folder / f"{kind}.jsonl"

    def rows(self, kind: str) -> list[Row]:
        """The rows of a stage, as TRL takes them."""
        return [json.loads(line) for line in self.file(kind).read_text(encoding="utf-8").splitlines()]


def write_rows(folder: Path) -> None:
    """Bundled text, dialogues and pairs, in the forms that Osler, TRL and LLaMA-Factory all read."""
    texts: list[Row] = [{"text": one.text} for one in render("bundled-documents", 4) if isinstance(one, Document)]
    talks: list[Row] = [
        {"messages": [message.as_dict() for message in one.messages]}
        for one in render("bundled-dialogues", 2)
        if isinstance(one, Dialogue)
    ]
    pairs = [
        {
            "prompt": talk["messages"][:-1],
            "chosen": talk["messages"][-1:],
            "rejected": [{"role": "assistant", "content": "I do not know."}],
        }
        for talk in talks[:PAIRS]
    ]
    for kind, rows in zip(KINDS, (texts, talks, pairs), strict=True):
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{kind}.jsonl").write_text(lines, encoding="utf-8")


def _loops(bench: Bench, kind: str, compiled: bool) -> dict[str, Callable[[], float]]:
    """The loops by hand for a stage, by name; the compiled ones if that is wanted."""
    tokenizer = loading.load_tokenizer(bench.model)

    def answer_row(turns: list[Row]) -> Ids:
        mask = tokenizer.apply_chat_template(turns, return_dict=True, return_assistant_tokens_mask=True)
        labels = [i if on else -100 for i, on in zip(mask["input_ids"], mask["assistant_masks"], strict=True)]
        return mask["input_ids"], labels

    rows = bench.rows(kind)
    if kind == "cpt":
        documents = [Document(id=str(number), text=row["text"]) for number, row in enumerate(rows)]
        packed = blocks(documents, tokenizer, LENGTH)["input_ids"]
        batches = sorted_batches([(list(ids), list(ids)) for ids in packed], BATCH)
    elif kind == "sft":
        batches = sorted_batches([answer_row(row["messages"]) for row in rows], BATCH)
    else:
        pairs = [
            (answer_row([*row["prompt"], *row["chosen"]]), answer_row([*row["prompt"], *row["rejected"]]))
            for row in rows
        ]
        batches = sorted_pairs(pairs, BATCH // 2)

    def model() -> Any:
        whole = loading.load_model(bench.model)
        return peft.get_peft_model(whole, lora_config(Lora())) if kind == "dpo" else whole

    def rate(bf16: bool, compiled: bool) -> Callable[[], float]:
        loss = dpo_loss if kind == "dpo" else next_token_loss
        return lambda: loop_rate(
            model(), endless(batches, int(tokenizer.pad_token_id)), bench.seconds, bf16, loss, compiled
        )

    formats = number_formats()
    found = {f"plain loop, {name}": rate(bf16, False) for name, bf16 in formats.items()}
    if compiled:
        found |= {f"compiled loop, {name}": rate(bf16, True) for name, bf16 in formats.items()}
    return found


def number_formats() -> dict[str, bool]:
    """Number formats that are worth trying here, by name: whether each is bfloat16."""
    return {"bf16": True} if fast_bfloat16() else {"bf16": True, "fp32": False}


def _osler(bench: Bench, kind: str, bf16: bool, compiled: bool) -> float:
    settings: Row = {
        "bf16": bf16,
        "max_steps": 100_000,
        "per_device_train_batch_size": BATCH // 2 if kind == "dpo" else BATCH,
        "save_strategy": "no",
        "learning_rate": 1e-4,
        **({"torch_compile": True} if compiled else {}),
    }
    corpus, sources = Corpus(name=str(bench.file(kind))), Sources(None, 0, {})
    reference = Reference()

    def run_stage(draft: Draft) -> None:
        if kind == "cpt":
            stage = CptStage(kind="cpt", model="base", corpora=[corpus], sequence_length=LENGTH, training=settings)
            cpt(stage, 0, bench.model, sources, draft)
        elif kind == "sft":
            sft(SftStage(kind="sft", model="base", corpora=[corpus], training=settings), 0, bench.model, sources, draft)
        else:
            pairs = DpoStage(kind="dpo", model="base", preferences=corpus, lora=Lora(), training=settings)
            dpo(pairs, 0, bench.model, sources, draft)

    with reference_timed(reference):
        rate = stage_rate(run_stage, bench.seconds, compiled)
    if not reference.pairs:
        return rate
    tokenizer = loading.load_tokenizer(bench.model)
    tokens = sum(
        len(tokenizer.apply_chat_template([*row["prompt"], *row[side]], return_dict=True)["input_ids"])
        for row in bench.rows(kind)
        for side in ("chosen", "rejected")
    )
    return EPOCHS * tokens / (EPOCHS * tokens / rate + reference.seconds)


def _llamafactory(bench: Bench, kind: str, python: Path, bf16: bool) -> float:
    """Raises PeerError when it does not run; the message ends with what it printed last."""
    given = {
        "stage": PEER_STAGES[kind],
        "model": str(Path(bench.model).resolve()),
        "data": str(bench.file(kind)),
        "seconds": bench.seconds,
        "batch": BATCH // 2 if kind == "dpo" else BATCH,
        "length": LENGTH if kind == "cpt" else 1024,
        "bf16": bf16,
    }
    # It asks the network for its own newest version and for the model's page otherwise.
    offline = {**os.environ, "HF_HUB_OFFLINE": "1", "DISABLE_VERSION_CHECK": "1"}
    words = [str(python), str(PEER), json.dumps(given)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=offline)
    if done.returncode != 0:
        raise PeerError(f"LLaMA-Factory ({python}) ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return float(json.loads(done.stdout.strip().splitlines()[-1])["tokens_per_second"])


def ways(bench: Bench, kind: str, llamafactory: Path | None, compiled: bool = True) -> dict[str, Callable[[], float]]:
    """All that is measured for a stage, by name, in order; what is compiled only if that is wanted, and where there is a compiler."""
    compiled = compiled and training.can_compile()
    found = _loops(bench, kind, compiled)
    for name, bf16 in number_formats().items():
        for fast in (False, True) if compiled else (False,):
            how = f"osler {kind}, {name}{', compiled' if fast else ''}"
            found[how] = functools.partial(_osler, bench, kind, bf16, fast)
    found["TRL defaults"] = lambda: trl_rate(
        kind, bench.model, bench.rows(kind), bench.seconds, Lora() if kind == "dpo" else None
    )
    if llamafactory is not None:
        found["LLaMA-Factory, bf16"] = lambda: _llamafactory(bench, kind, llamafactory, True)
        if not has_gpu():
            found["LLaMA-Factory, fp32"] = lambda: _llamafactory(bench, kind, llamafactory, False)
    return found


class Progress:
    """Says on standard error what is measured, how long that took, and how long the rest will take if it is like what was done."""

    def __init__(self, count: int, seconds: float) -> None:
        self.count, self.done = count, 0
        self.first = self.last = time.perf_counter()
        training.console.print(
            f"[dim]{count} measurements of {seconds:g} s; each has to load, compile and warm up before, which takes longer[/dim]"
        )

    def begins(self, what: str) -> None:
        """The next measurement begins."""
        self.last = time.perf_counter()
        training.console.print(f"[dim]{self.done + 1} of {self.count}, {what}[/dim]")

    def ended(self, found: str) -> None:
        """It has ended, with ``found``."""
        self.done += 1
        now = time.perf_counter()
        left = (now - self.first) / self.done * (self.count - self.done)
        to_go = f"; about {left / 60:.1f} min to go" if left else ""
        training.console.print(f"[dim]  {found}, after {now - self.last:.0f} s{to_go}[/dim]")


def bench_train(
    model_path: str,
    seconds: float,
    kinds: tuple[str, ...] = KINDS,
    llamafactory: Path | None = None,
    rounds: int = 1,
    compiled: bool = True,
) -> list[dict[str, Any]]:
    """A row for each stage and way: ``stage``, ``how``, ``tokens_per_second`` (median of ``rounds``), ``beside``: ratios.

    ``beside`` of a way of Osler's names each other kind of way ("plain loop", "compiled loop", "TRL defaults", "LLaMA-Factory") with
    its own rate divided by the fastest of that kind.
    """
    training.quiet()
    use_processor_well()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(model_path, Path(folder), seconds)
        write_rows(bench.folder)
        rows: list[dict[str, Any]] = []
        progress = Progress(len(kinds) * rounds * len(ways(bench, kinds[0], llamafactory, compiled)), seconds)
        for kind in kinds:
            measured: dict[str, list[float]] = {}
            for _ in range(rounds):
                for how, measure in ways(bench, kind, llamafactory, compiled).items():
                    progress.begins(f"{kind}: {how}")
                    torch._dynamo.reset()  # what one way has compiled is not another's
                    try:
                        rate = measure()
                        measured.setdefault(how, []).append(rate)
                        progress.ended(f"{rate:,.0f} tokens/s")
                    except PeerError as error:  # what else was measured is not lost for it
                        training.console.print(str(error), style="yellow", markup=False)
                        progress.ended("not measured")
            measured = {how: found for how, found in measured.items() if found}
            rates = {how: statistics.median(found) for how, found in measured.items()}
            rows += [
                {
                    "stage": kind,
                    "how": how,
                    "tokens_per_second": rate,
                    "rounds": measured[how],
                    "beside": beside(rate, rates) if how.startswith("osler") else {},
                }
                for how, rate in rates.items()
            ]
    return rows


def beside(rate: float, rates: dict[str, float]) -> dict[str, float]:
    """``rate`` over the fastest of each other kind of way, by kind."""
    kinds: dict[str, float] = {}
    for how, other in rates.items():
        name = how.split(",")[0]
        if not name.startswith("osler"):
            kinds[name] = max(kinds.get(name, 0.0), other)
    return {name: rate / other for name, other in kinds.items()}

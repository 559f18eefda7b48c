"""What is checked in the seconds before a run: data, base model, disk and memory. A run that cannot end does not begin."""

from __future__ import annotations

import itertools
import logging
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from corpora.catalog import UNKNOWN, load_catalog, locate
from corpora.errors import DataError, nearest
from corpora.records import Dialogue, Document, ExamItem, Preference, Record
from pipelines import loading, training
from pipelines.artifact import refuse_others_folder
from pipelines.config import (
    Corpus,
    GrpoStage,
    KtoStage,
    Launch,
    PreferencesStage,
    PreferenceStage,
    Prompted,
    Recipe,
    RecipeError,
    SftStage,
    TrainingStage,
    asking,
    named_corpora,
    named_models,
    resolve_model,
)
from pipelines.data import Sources, checked, filtered
from pipelines.launching.accelerate import Node, check_options, deepspeed_is_there
from pipelines.model_sources import allowing
from pipelines.plan import StagePlan, check_plan
from pipelines.plan.devices import here
from pipelines.plan.result import disk_of
from pipelines.preference_data.pairs import check_pairs
from pipelines.training.sharding import shared_out
from serving.hardware import has_gpu

log = logging.getLogger(__name__)

GIB = 2**30
FIRST = 200  # records of a corpus that are looked at
SPARE_BYTES = 200 * 2**20  # of disk, for reports, records and logs
# Records of each corpus that are read for the lengths of rows: the whole would take longer than a check may.
SAMPLE = 1000

# The types of record by their names in the catalogue, what a stage of a kind reads its `corpora` for, and what other fields are read for.
TYPES: dict[type[Any], str] = {
    Document: "document",
    Dialogue: "dialogue",
    ExamItem: "exam_item",
    Preference: "preference",
}
OF_CORPORA: dict[str, type[Record]] = {
    "init": Document,
    "extend": Document,
    "cpt": Document,
    "mlm": Document,
    "sft": Dialogue,
}
OF_FIELD: dict[str, type[Record]] = {
    "items": ExamItem,
    "prompts": Dialogue,
    "medical": Document,
    "general": Document,
    "emergencies": Dialogue,
}


def check(recipe: Recipe, run_dir: Path, data_dir: Path | None) -> None:
    """Everything that can be known about a run before it starts.

    Raises:
        OslerError: a corpus is not at hand, the base model is missing or lacks what a stage needs, or disk or memory are
            short. Each message has the remedy.
    """
    for name in recipe.stages:
        refuse_others_folder(run_dir / name)
    check_data(recipe, data_dir)
    check_records(recipe, data_dir)
    check_preferences(recipe, data_dir)
    with allowing(recipe.allow):
        check_models(recipe)
        check_base(recipe)
    check_teachers(recipe)
    check_trackers(recipe)
    try:
        planned = check_plan(recipe, here(), data_dir, SAMPLE)
    except RecipeError as error:  # a base that no plan knows may be fetched and trained all the same
        log.info("memory and disk are not checked: %s", error)
        return
    check_disk(planned, run_dir)
    check_memory(recipe, planned)


def check_data(recipe: Recipe, data_dir: Path | None) -> None:
    """Raises DataError when a dataset that the recipe names is not at hand."""
    for name, stage in recipe.stages.items():
        for corpus in named_corpora(stage):
            if corpus.name in load_catalog():
                locate(corpus.name, data_dir)
            elif corpus.is_file and not Path(corpus.name).is_file():
                raise DataError(f"stages.{name}: {corpus.name}: no such file (looked in {Path.cwd()})")


def _wanted(stage: Any) -> Iterator[tuple[Corpus, type[Record]]]:
    """The corpora of a stage, each with the type of record that the stage reads it for."""
    of_fields: list[tuple[Any, str, type[Record]]] = [
        (stage, field, kind) for field, kind in OF_FIELD.items() if hasattr(stage, field)
    ]
    if stage.kind in OF_CORPORA:
        of_fields.append((stage, "corpora", OF_CORPORA[stage.kind]))
    if getattr(stage, "anchor", None) is not None:
        of_fields.append((stage.anchor, "corpora", Document))
    for block, field, kind in of_fields:
        found = getattr(block, field)
        # A synthesise stage has other prompts, which are no corpora.
        yield from (
            (corpus, kind) for corpus in (found if isinstance(found, list) else [found]) if isinstance(corpus, Corpus)
        )


def check_records(recipe: Recipe, data_dir: Path | None) -> None:
    """Raises DataError when a corpus holds another type of record than its stage reads, by the catalogue or by its first record.

    Corpora that an earlier stage makes are not there yet; those of preference pairs have a check of their own.
    """
    for name, stage in recipe.stages.items():
        for corpus, kind in _wanted(stage):
            if corpus.name in recipe.stages:
                continue
            held = load_catalog()[corpus.name].record if corpus.name in load_catalog() else None
            if held is None:
                first = next(filtered(corpus, Sources(data_dir, recipe.seed, {})), None)
                held = TYPES[type(first)] if first is not None else UNKNOWN
            if held not in (UNKNOWN, TYPES[kind]):
                raise DataError(
                    f"stages.{name}: corpus '{corpus.name}' holds records of the type {held}; this stage reads it for {TYPES[kind]}s "
                    "(`osler corpora list` names what each holds)"
                )


def check_trackers(recipe: Recipe) -> None:
    """Raises RecipeError when a stage reports to a tracker that transformers does not know or that is not installed here."""
    from transformers.integrations import get_available_reporting_integrations
    from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

    for name, stage in recipe.stages.items():
        given = stage.training.get("report_to") if isinstance(stage, TrainingStage) else None
        for tracker in [given] if isinstance(given, str) else given or []:
            if tracker in ("all", "none") or tracker in get_available_reporting_integrations():
                continue
            known = sorted(INTEGRATION_TO_CALLBACK)
            how = (
                "install its package (wandb: `pip install wandb`)" if tracker in known else nearest(str(tracker), known)
            )
            what = "is not installed here" if tracker in known else "is no tracker that transformers knows"
            raise RecipeError(f"stages.{name}.training.report_to: '{tracker}' {what}; {how}")


def check_models(recipe: Recipe) -> None:
    """Raises OslerError when a model that the recipe names is not there or may not be loaded; no weights are fetched for it."""
    made = {"base", *recipe.stages}
    named = [name for stage in recipe.stages.values() for name in named_models(stage) if name not in made]
    for name in dict.fromkeys([*([recipe.base_model] if recipe.base_model else []), *named]):
        resolve_model(name, weights=False)


def check_preferences(recipe: Recipe, data_dir: Path | None) -> None:
    """Raises DataError when the first records of a preference corpus are not what the stage learns from.

    Corpora that an earlier stage makes are not there yet: the stage itself checks every record.
    """
    for name, stage in recipe.stages.items():
        if isinstance(stage, PreferenceStage) and stage.preferences.name not in recipe.stages:
            corpus = stage.preferences
            first = itertools.islice(filtered(corpus, Sources(data_dir, recipe.seed, {})), FIRST)
            found = [checked(record, corpus, Preference) for record in first]
            if not isinstance(stage, KtoStage):
                check_pairs(found, corpus, f"stages.{name} ({stage.kind})")


def check_base(recipe: Recipe) -> None:
    """Raises RecipeError when the base model has no chat template and a stage needs one; TrainingError when it is not there."""
    if recipe.base_model is None:
        return
    tokenizer = loading.load_tokenizer(resolve_model(recipe.base_model, weights=False))
    if tokenizer.chat_template is not None:
        return
    for name, stage in recipe.stages.items():
        if isinstance(stage, SftStage) and stage.training.get("chat_template_path"):
            return  # TRL gives the model this one, and the stages after it inherit it
        asks = asking(stage)
        own_teacher = asks is not None and (asks.teacher.model == "base" or asks.teacher.model in recipe.stages)
        if isinstance(stage, (SftStage, PreferencesStage, PreferenceStage, GrpoStage)) or own_teacher:
            raise RecipeError(
                f"the base model {recipe.base_model} has no chat template, which stages.{name} needs to lay out a dialogue; "
                f"{training.GIVE_TEMPLATE}"
            )


def check_teachers(recipe: Recipe) -> None:
    """Raises RecipeError when the key of a teacher's endpoint, or a prompt, is missing."""
    for stage in recipe.stages.values():
        asks = asking(stage)
        if asks is not None:
            from pipelines.synthesis.asking import endpoint_key
            from pipelines.synthesis.prompting import load_prompts

            endpoint_key(asks)
            prompted = [asks] if isinstance(asks, Prompted) else getattr(asks, "tasks", [])
            for one in prompted:
                load_prompts(one)


def check_launch(recipe: Recipe, node: Node) -> None:
    """Raises RecipeError when the recipe's ``launch`` block fits this machine, or a stage of the recipe, badly."""
    launch = recipe.launch
    check_shares(recipe)
    nodes = launch.nodes if launch is not None else 1
    if node.rank not in range(nodes):
        raise RecipeError(f"--node-rank {node.rank}: the {nodes} machines of the run are numbered from 0")
    if launch is None or not launch.needs_launcher:
        return
    devices = torch.cuda.device_count() if has_gpu() else len(os.sched_getaffinity(0))
    if launch.processes_per_node > devices:
        raise RecipeError(
            f"launch.processes: {launch.processes_per_node} processes on one machine, which has {devices} "
            f"{'GPUs' if has_gpu() else 'processor cores and no GPU'}; lower --processes, or run on more machines with --nodes"
        )
    if launch.nodes > 1 and node.rendezvous is None:
        raise RecipeError(
            f"launch.nodes: {launch.nodes} machines need a place to meet: start the same command on each with --node-rank 0, 1, … and "
            "--rendezvous HOST:PORT of the first, or let `osler launch` write a task file that does"
        )
    if node.rendezvous is not None and not re.fullmatch(r"\S+:\d{1,5}", node.rendezvous):
        raise RecipeError(f"--rendezvous {node.rendezvous}: HOST:PORT of the first machine, as node1:29500")
    if launch.strategy.startswith("zero") and not deepspeed_is_there():
        raise RecipeError(f"launch.strategy: {launch.strategy} needs DeepSpeed: pip install 'osler[deepspeed]'")


def check_shares(recipe: Recipe) -> None:
    """Raises RecipeError when a training stage cannot be shared out as the recipe's ``launch`` block says, on any machine."""
    launch = recipe.launch or Launch(strategy="ddp")
    if launch.options:
        check_options(launch)
    for name, stage in recipe.stages.items():
        if not isinstance(stage, TrainingStage):
            continue
        try:
            shared_out(stage, launch.processes)
            _check_strategy(stage, launch)
        except RecipeError as error:
            raise RecipeError(f"stages.{name}: {error}") from error


def _check_strategy(stage: Any, launch: Launch) -> None:
    anchor = getattr(stage, "anchor", None)
    if anchor is not None and anchor.rows % launch.processes:
        raise RecipeError(
            f"anchor.rows: {anchor.rows} rows cannot be shared out over {launch.processes} processes; make it a multiple"
        )
    if launch.strategy == "ddp" or not launch.needs_launcher:
        return
    if getattr(stage, "optimizer", "adamw") != "adamw":
        # Its updates are made of whole matrices, of which a process has a part.
        raise RecipeError(f"optimizer: muon does not work with {launch.strategy}; take adamw, or launch.strategy ddp")
    if getattr(stage, "quantization", None) is not None:
        raise RecipeError(
            f"quantization: {launch.strategy} would have to share out weights of few bits, which accelerate leaves whole or takes only "
            "where bitsandbytes stores them as floating-point numbers; take launch.strategy ddp, or leave quantization out"
        )
    if stage.kind == "mlm" and launch.strategy == "fsdp2":
        # accelerate 1.15 puts the embeddings and the head that is tied to them into two groups, which torch refuses.
        raise RecipeError(
            "fsdp2 cannot share out an encoder, whose head is tied to its embeddings; take launch.strategy ddp"
        )
    early = launch.options.get("cpu_ram_efficient_loading") and (anchor is not None or stage.kind not in ("cpt", "sft"))
    if early:
        raise RecipeError(
            "launch.options.cpu_ram_efficient_loading leaves the weights of all processes but the first empty until training starts, "
            "and this stage computes with them before; leave it out"
        )


def check_disk(planned: list[StagePlan], run_dir: Path) -> None:
    """Raises RecipeError when less is free than the run's models and checkpoints will take."""
    needed = disk_of(planned) + SPARE_BYTES
    place = run_dir
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < needed:
        raise RecipeError(
            f"{run_dir}: {free / GIB:.1f} GiB are free and the run needs about {needed / GIB:.1f}; free some, or name "
            "another folder with --run"
        )


def check_memory(recipe: Recipe, planned: list[StagePlan]) -> None:
    """Raises RecipeError when a stage of the recipe cannot fit in this machine's memory (processor only)."""
    if has_gpu():
        return
    for stage in planned:
        if stage.memory is not None and not stage.fits:
            remedy = f"set {stage.remedies[0]} of stages.{stage.name}, " if stage.remedies else ""
            raise RecipeError(
                f"stages.{stage.name} needs about {stage.memory.peak / GIB:.1f} GiB of memory to train {recipe.base_model} and "
                f"{stage.usable / GIB:.1f} GiB are free; {remedy}close other programs, or start from a smaller base_model"
            )

"""The stages of a recipe in order, each skipped when its manifest already matches what it would be given."""

from __future__ import annotations

import gc
import importlib
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from corpora.licences import consequence
from pipelines import training
from pipelines.artifact import Artifact, Draft, changes, drafting, fingerprint, matches
from pipelines.checks import check, check_launch
from pipelines.config import (
    CptStage,
    CurateStage,
    ExamStage,
    ExtendStage,
    InitStage,
    JudgeScorer,
    Launch,
    MergeStage,
    PreferencesStage,
    Recipe,
    ReplayStage,
    Stage,
    SynthesiseStage,
    TokenizeStage,
    TrainingStage,
    named_corpora,
    named_models,
    training_data,
)
from pipelines.data import Sources, identity
from pipelines.inputs import Inputs
from pipelines.launching.accelerate import ALONE, Node
from pipelines.launching.launch import join, train_in_processes
from pipelines.locking import Leader, alone_in
from pipelines.model_sources import allowing
from pipelines.next_steps import next_steps, program
from pipelines.report.page import write_report
from pipelines.serve import serve
from pipelines.training.guards import RolledBack
from pipelines.training.sharding import shared_out
from serving.hardware import give_back_freed, use_processor_well

# Kinds whose loss is a mean over the tokens or rows of an optimizer step, however these are cut into batches.
MEAN_OVER_ROWS = {"cpt", "sft", "dpo", "reward"}
SHOWN = 5  # changed keys that are named
console = Console(stderr=True, highlight=False)


def _train(stage: Any, inputs: Inputs, draft: Draft) -> Any:
    """A stage that reads one model and corpora: the function of the kind's name, in the file of that name."""
    work = getattr(importlib.import_module(f"pipelines.{stage.kind}"), stage.kind)
    if isinstance(stage, TrainingStage):
        stage = shared_out(stage, inputs.processes)
        draft.global_batch = stage.global_batch
    anchor = getattr(stage, "anchor", None)
    more = {"anchor_path": inputs.model(anchor.model)} if anchor is not None else {}
    scored_by = getattr(stage, "scored_by", None)
    more |= {"scorer_path": inputs.model(scored_by)} if scored_by is not None else {}
    while True:
        try:
            return work(stage, inputs.seed, inputs.model(stage.model), inputs.sources, draft, **more)
        except RolledBack as notice:
            if inputs.processes > 1:
                raise  # all of them have to begin anew: pipelines.launching.launch starts them again
            console.print(str(notice), style="yellow", markup=False)


def run_stage(stage: Stage, inputs: Inputs, draft: Draft) -> None:
    """Runs one stage into ``draft``, with what the recipe allows its models."""
    with allowing(inputs.recipe.allow):
        _run_stage(stage, inputs, draft)


def _run_stage(stage: Stage, inputs: Inputs, draft: Draft) -> None:
    """Runs one stage; its libraries are imported only then."""
    if isinstance(stage, InitStage):
        from pipelines.init import init

        init(stage, inputs.seed, inputs.sources, draft)
    elif isinstance(stage, CurateStage):
        from pipelines.curate import curate

        curate(stage, inputs.sources, draft)
    elif isinstance(stage, ExtendStage):
        from pipelines.extend import extend

        extend(stage, inputs.model(stage.model), inputs.sources, draft)
    elif isinstance(stage, TokenizeStage):
        from pipelines.tokens import tokenize

        tokenize(stage, inputs.seed, inputs.model(stage.model), inputs.sources, draft)
    elif isinstance(stage, ReplayStage):
        from pipelines.replay import replay

        replay(stage, inputs.seed, inputs.model(stage.model), draft)
    elif isinstance(stage, MergeStage):
        from pipelines.merge import merge

        merge(stage, inputs.seed, {model: inputs.model(model) for model in named_models(stage)}, draft)
    elif isinstance(stage, SynthesiseStage):
        from pipelines.synthesise import synthesise

        own = stage.teacher.model
        folder, identity_of_own = (inputs.model(own), inputs.identity(own)) if own else (None, None)
        synthesise(stage, inputs.seed, folder, identity_of_own, inputs.sources, draft)
    elif isinstance(stage, ExamStage):
        from pipelines.exam import exam

        exam(stage, {model: inputs.model(model) for model in stage.models}, inputs.sources, draft)
    else:
        _train(stage, inputs, draft)


def given(name: str, stage: Stage, inputs: Inputs) -> dict[str, Any]:
    """Everything that the stage's result depends on: its config, the seed, and the hashes of its inputs."""
    sources = inputs.sources
    hashes: dict[str, Any] = {
        "corpora": [identity(corpus, sources) for corpus in named_corpora(stage)],
        "models": [inputs.identity(model) for model in named_models(stage)],
    }
    config = stage.model_dump(exclude={"scale": {"executor", "options"}})  # where the work is done changes nothing
    if isinstance(stage, TrainingStage):
        config = _makes(stage, config, inputs.recipe.launch)
    if isinstance(stage, CptStage) and stage.tokens is not None:
        hashes["tokens"] = sources.artifacts[stage.tokens].output
    if isinstance(stage, SynthesiseStage):
        from pipelines.synthesis.prompting import load_prompts

        hashes["prompts"] = [load_prompts(task).digests for task in stage.tasks]
        config = stage.makes()
    if isinstance(stage, PreferencesStage):
        config = stage.makes()
        if isinstance(stage.scorer, JudgeScorer):
            from pipelines.synthesis.prompting import load_prompts

            hashes["prompts"] = load_prompts(stage.scorer).digests
    return {"stage": name, "config": config, "seed": inputs.seed, "inputs": hashes}


def _makes(stage: Any, config: dict[str, Any], launch: Launch | None) -> dict[str, Any]:
    """What of a training stage's ``config`` its result depends on, with the number of processes where it matters.

    With a ``global_batch`` each optimizer step sees the same rows in any number of processes and accumulation steps: where the
    loss is a mean over them, the result is the same but for the order in which gradients are added up, and so is the key, and a
    run goes on from its checkpoint elsewhere. KTO compares the rows that a process holds at a time, as some of TRL's other losses
    do. Without a ``global_batch`` every process adds a batch of its own to a step, which is another result. How the model
    is shared out (``launch.strategy``) changes nothing in any case.
    """
    mean_over_rows = stage.kind in MEAN_OVER_ROWS and "loss_type" not in stage.training
    if stage.global_batch is not None and mean_over_rows:
        training = {key: value for key, value in stage.training.items() if key != "per_device_train_batch_size"}
        return {**config, "training": training}
    if stage.global_batch is None:
        del config["global_batch"]
    processes = launch.processes if launch is not None else 1
    return config if processes == 1 else {**config, "processes": processes}


def _last_of(recipe: Recipe, kind: str) -> str:
    """Name of the recipe's last stage of this kind."""
    return [name for name, stage in recipe.stages.items() if stage.kind == kind][-1]


def finish(run_dir: Path, name: str, heading: str, what: dict[str, Any], work: Callable[[Draft], None]) -> Artifact:
    """The artifact at ``run_dir/name`` made from ``what``: the one that is there, or a new one."""
    folder = run_dir / name
    key = fingerprint(what)
    done = matches(folder, key)
    if done is not None:
        console.print(f"[dim]{heading}: done before, skipped[/dim]")
        return done
    console.print(f"[bold]{heading}[/bold]")
    changed = changes(folder, what)
    if changed:
        console.print(
            f"  what is in {folder} was made with other {', '.join(changed[:SHOWN])}{' …' if len(changed) > SHOWN else ''}; it stays until "
            "the new one is whole",
            markup=False,
            soft_wrap=True,
        )
    with drafting(folder, name, what) as draft:
        work(draft)
    _give_back()
    done = matches(folder, key)
    assert done is not None
    console.print(f"{heading}: {done.manifest['wall_seconds']:.0f} s")
    return done


def _give_back() -> None:
    """Gives back the memory that torch and malloc keep: the next stage may start vLLM, a process of its own, which takes what is free.

    On a processor training has malloc keep all that is freed (``use_processor_well``), and a stage after it would begin with the greatest
    size of the one before.
    """
    gc.collect()  # a trainer and its callbacks hold each other
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.empty_cache()
    give_back_freed()


def reproduce(
    recipe: Recipe,
    run_dir: Path,
    data_dir: Path | None = None,
    until_kind: str | None = None,
    until_stage: str | None = None,
    node: Node = ALONE,
) -> dict[str, Artifact]:
    """Runs what is not yet done of ``recipe`` below ``run_dir`` and returns the artifact of each stage.

    Args:
        recipe: what to run.
        run_dir: folder for the artifacts and the report.
        data_dir: folder of the published datasets that the recipe names.
        until_kind: stop after the last stage of this kind; otherwise the model is served, asked and reported on as well.
        until_stage: stop after the stage of this name.
        node: this machine among several that run the same recipe (``recipe.launch.nodes``) below the same ``run_dir``; the first
            of them does everything and the others join it in the stages that train.

    Raises:
        OslerError: with the remedy. What was finished before stays and is skipped by the next run.
    """
    check(recipe, run_dir, data_dir)
    check_launch(recipe, node)
    last = _last_of(recipe, until_kind) if until_kind is not None else until_stage
    for sentence in consequence(training_data(recipe.stages)):
        console.print(f"the result: {sentence}", markup=False)
    training.quiet()
    use_processor_well()
    with alone_in(run_dir) if node.leads else nullcontext():
        return _stage_by_stage(recipe, run_dir, data_dir, last, node)


def _stage_by_stage(
    recipe: Recipe, run_dir: Path, data_dir: Path | None, last: str | None, node: Node
) -> dict[str, Artifact]:
    artifacts: dict[str, Artifact] = {}
    leader = Leader(run_dir)
    inputs = Inputs(recipe, Sources(data_dir, recipe.seed, artifacts))
    count = len(recipe.stages) + (recipe.serve is not None)
    for number, (name, stage) in enumerate(recipe.stages.items(), start=1):
        heading, what = f"[{number}/{count}] {name}", given(name, stage, inputs)
        launch = recipe.launch if isinstance(stage, TrainingStage) else None
        work = partial(run_stage, stage, inputs)
        if launch is not None and launch.needs_launcher:
            work = partial(train_in_processes, recipe, name, run_dir, data_dir, node)
        if node.leads:
            artifacts[name] = finish(run_dir, name, heading, what, work)
        else:
            artifacts[name] = join(launch, node, leader, run_dir / name, heading, what)
        if name == last:
            return artifacts
    if not node.leads:
        return artifacts
    if recipe.serve is not None:
        block = recipe.serve
        what = {
            "stage": "serve",
            "config": {"kind": "serve", **block.model_dump()},
            "inputs": {"model": inputs.identity(block.model)},
        }
        place = inputs.model(block.model)
        artifacts["serve"] = finish(
            run_dir, "serve", f"[{count}/{count}] serve", what, lambda draft: serve(block, place, draft)
        )
    report = write_report(recipe, artifacts, run_dir)
    console.print(f"report: {report}", markup=False, soft_wrap=True)
    served = inputs.model(recipe.serve.model) if recipe.serve is not None else None
    steps = next_steps(recipe, run_dir, served, program())
    if steps:
        console.print("next:\n" + "\n".join(steps), markup=False, soft_wrap=True)
    return artifacts

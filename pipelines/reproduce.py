"""The stages of a recipe in order, each skipped when its manifest already matches what it would be given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from corpora.licences import consequence
from pipelines import training
from pipelines.artifact import Artifact, Draft, drafting, fingerprint, folder_fingerprint, matches
from pipelines.checks import check
from pipelines.config import (
    CptStage,
    CurateStage,
    DpoStage,
    ExamStage,
    ExtendStage,
    InitStage,
    MergeStage,
    MixStage,
    PreferencesStage,
    Recipe,
    ReplayStage,
    SftStage,
    Stage,
    SynthesiseStage,
    TokenizeStage,
    named_corpora,
    resolve_model,
    training_data,
)
from pipelines.data import Sources, identity
from pipelines.report import write_report
from pipelines.serve import serve
from serving.hardware import use_processor_well

console = Console(stderr=True, highlight=False)


def model_folder(name: str, recipe: Recipe, artifacts: dict[str, Artifact]) -> str:
    """Where the weights called ``name`` are: the base model, a stage's output, or a path."""
    if name == "base":
        assert recipe.base_model is not None
        return resolve_model(recipe.base_model)
    return str(artifacts[name].model) if name in artifacts else resolve_model(name)


def anchor_folder(stage: CptStage | SftStage, recipe: Recipe, artifacts: dict[str, Artifact]) -> str | None:
    """Where the model is that the stage's anchor holds on to, if it has one."""
    return model_folder(stage.anchor.model, recipe, artifacts) if stage.anchor is not None else None


def model_identity(name: str, recipe: Recipe, artifacts: dict[str, Artifact]) -> str:
    """What a stage that reads the model called ``name`` depends on."""
    if name in artifacts:
        return artifacts[name].output
    place = model_folder(name, recipe, artifacts)
    return folder_fingerprint(Path(place)) if Path(place).is_dir() else place


def run_stage(name: str, stage: Stage, recipe: Recipe, sources: Sources, draft: Draft) -> None:
    """Runs one stage into ``draft``."""
    if isinstance(stage, InitStage):
        from pipelines.init import init

        init(stage, recipe.seed, sources, draft)
    elif isinstance(stage, CurateStage):
        from pipelines.curate import curate

        curate(stage, sources, draft)
    elif isinstance(stage, MixStage):
        from pipelines.mix import mix

        mix(stage, recipe.seed, model_folder(stage.model, recipe, sources.artifacts), sources, draft)
    elif isinstance(stage, ExtendStage):
        from pipelines.extend import extend

        extend(stage, model_folder(stage.model, recipe, sources.artifacts), sources, draft)
    elif isinstance(stage, TokenizeStage):
        from pipelines.tokens import tokenize

        tokenize(stage, recipe.seed, model_folder(stage.model, recipe, sources.artifacts), sources, draft)
    elif isinstance(stage, CptStage):
        from pipelines.cpt import cpt

        place = model_folder(stage.model, recipe, sources.artifacts)
        cpt(stage, recipe.seed, place, sources, draft, anchor_folder(stage, recipe, sources.artifacts))
    elif isinstance(stage, ReplayStage):
        from pipelines.replay import replay

        replay(stage, recipe.seed, model_folder(stage.model, recipe, sources.artifacts), draft)
    elif isinstance(stage, SftStage):
        from pipelines.sft import sft

        place = model_folder(stage.model, recipe, sources.artifacts)
        sft(stage, recipe.seed, place, sources, draft, anchor_folder(stage, recipe, sources.artifacts))
    elif isinstance(stage, MergeStage):
        from pipelines.merge import merge

        merge(stage, {model: model_folder(model, recipe, sources.artifacts) for model in stage.models}, draft)
    elif isinstance(stage, PreferencesStage):
        from pipelines.preferences import preferences

        preferences(stage, recipe.seed, model_folder(stage.model, recipe, sources.artifacts), sources, draft)
    elif isinstance(stage, SynthesiseStage):
        from pipelines.synthesise import synthesise

        own = stage.teacher.model
        folder = model_folder(own, recipe, sources.artifacts) if own else None
        identity_of_own = model_identity(own, recipe, sources.artifacts) if own else None
        synthesise(stage, recipe.seed, folder, identity_of_own, sources, draft)
    elif isinstance(stage, DpoStage):
        from pipelines.dpo import dpo

        dpo(stage, recipe.seed, model_folder(stage.model, recipe, sources.artifacts), sources, draft)
    elif isinstance(stage, ExamStage):
        from pipelines.exam import exam

        places = {model: model_folder(model, recipe, sources.artifacts) for model in stage.models}
        exam(stage, places, sources, draft)


def given(name: str, stage: Stage, recipe: Recipe, sources: Sources) -> dict[str, Any]:
    """Everything that the stage's result depends on: its config, the seed, and the hashes of its inputs."""
    inputs: dict[str, Any] = {}
    if isinstance(stage, (InitStage, ExtendStage, CptStage, SftStage)):
        inputs["corpora"] = [identity(corpus, sources) for corpus in stage.corpora]
    if isinstance(stage, (CurateStage, MixStage, TokenizeStage)):
        inputs["corpora"] = [identity(corpus, sources) for corpus in named_corpora(stage)]
    if isinstance(
        stage, (MixStage, ExtendStage, TokenizeStage, CptStage, ReplayStage, SftStage, PreferencesStage, DpoStage)
    ):
        inputs["model"] = model_identity(stage.model, recipe, sources.artifacts)
    if isinstance(stage, CptStage) and stage.tokens is not None:
        inputs["tokens"] = sources.artifacts[stage.tokens].output
    if isinstance(stage, (CptStage, SftStage)) and stage.anchor is not None:
        inputs["anchor"] = [identity(corpus, sources) for corpus in stage.anchor.corpora]
        inputs["anchor_model"] = model_identity(stage.anchor.model, recipe, sources.artifacts)
    if isinstance(stage, PreferencesStage):
        inputs["prompts"] = identity(stage.prompts, sources)
    if isinstance(stage, DpoStage):
        inputs["preferences"] = identity(stage.preferences, sources)
    if isinstance(stage, SynthesiseStage):
        from pipelines.prompting import load_prompts

        inputs["corpora"] = [identity(corpus, sources) for corpus in named_corpora(stage)]
        inputs["prompts"] = [load_prompts(task).digests for task in stage.tasks]
        if stage.teacher.model is not None:
            inputs["model"] = model_identity(stage.teacher.model, recipe, sources.artifacts)
        return {"stage": name, "config": stage.makes(), "seed": recipe.seed, "inputs": inputs}
    if isinstance(stage, MergeStage):
        inputs["models"] = [model_identity(model, recipe, sources.artifacts) for model in stage.models]
    if isinstance(stage, ExamStage):
        corpora = [*stage.items, *stage.medical, *stage.general, *stage.emergencies]
        inputs["corpora"] = [identity(corpus, sources) for corpus in corpora]
        inputs["models"] = [model_identity(model, recipe, sources.artifacts) for model in stage.models]
    # Where the work is done changes nothing of what is done.
    where = {"scale": {"executor", "options"}} if hasattr(stage, "scale") else None
    return {"stage": name, "config": stage.model_dump(exclude=where), "seed": recipe.seed, "inputs": inputs}


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
    with drafting(folder, name, what) as draft:
        work(draft)
    done = matches(folder, key)
    assert done is not None
    console.print(f"{heading}: {done.manifest['wall_seconds']:.0f} s")
    return done


def reproduce(
    recipe: Recipe,
    run_dir: Path,
    data_dir: Path | None = None,
    until_kind: str | None = None,
    until_stage: str | None = None,
) -> dict[str, Artifact]:
    """Runs what is not yet done of ``recipe`` below ``run_dir`` and returns the artifact of each stage.

    Args:
        recipe: what to run.
        run_dir: folder for the artifacts and the report.
        data_dir: folder of the published datasets that the recipe names.
        until_kind: stop after the last stage of this kind; otherwise the model is served, asked and reported on as well.
        until_stage: stop after the stage of this name.

    Raises:
        OslerError: with the remedy. What was finished before stays and is skipped by the next run.
    """
    check(recipe, run_dir, data_dir)
    last = _last_of(recipe, until_kind) if until_kind is not None else until_stage
    for sentence in consequence(training_data(recipe.stages)):
        console.print(f"the result: {sentence}", markup=False)
    training.quiet()
    use_processor_well()
    artifacts: dict[str, Artifact] = {}
    sources = Sources(data_dir, recipe.seed, artifacts)
    count = len(recipe.stages) + (recipe.serve is not None)
    for number, (name, stage) in enumerate(recipe.stages.items(), start=1):
        artifacts[name] = finish(
            run_dir,
            name,
            f"[{number}/{count}] {name}",
            given(name, stage, recipe, sources),
            lambda draft, name=name, stage=stage: run_stage(name, stage, recipe, sources, draft),  # type: ignore[misc]
        )
        if name == last:
            return artifacts
    if recipe.serve is not None:
        block = recipe.serve
        what = {
            "stage": "serve",
            "config": {"kind": "serve", **block.model_dump()},
            "inputs": {"model": model_identity(block.model, recipe, artifacts)},
        }
        place = model_folder(block.model, recipe, artifacts)
        artifacts["serve"] = finish(
            run_dir, "serve", f"[{count}/{count}] serve", what, lambda draft: serve(block, place, draft)
        )
    report = write_report(recipe, artifacts, run_dir)
    console.print(f"report: {report}")
    return artifacts

"""The stages of a recipe in order, each skipped when its manifest already matches what it would be given."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from rich.console import Console

from pipelines import training
from pipelines.artifact import Artifact, Draft, drafting, folder_fingerprint, matches
from pipelines.config import (
    CptStage,
    DpoStage,
    ExamStage,
    InitStage,
    PreferencesStage,
    Recipe,
    ReplayStage,
    SftStage,
    Stage,
    resolve_model,
)
from pipelines.data import Sources, identity

console = Console(stderr=True, highlight=False)


def model_folder(name: str, recipe: Recipe, artifacts: dict[str, Artifact]) -> str:
    """Where the weights called ``name`` are: the base model, a stage's output, or a path."""
    if name == "base":
        assert recipe.base_model is not None
        return resolve_model(recipe.base_model)
    return str(artifacts[name].model) if name in artifacts else resolve_model(name)


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
    elif isinstance(stage, CptStage):
        from pipelines.cpt import cpt

        cpt(stage, recipe.seed, model_folder(stage.model, recipe, sources.artifacts), sources, draft)
    elif isinstance(stage, ReplayStage):
        from pipelines.replay import replay

        replay(stage, recipe.seed, model_folder(stage.model, recipe, sources.artifacts), draft)
    elif isinstance(stage, SftStage):
        from pipelines.sft import sft

        sft(stage, recipe.seed, model_folder(stage.model, recipe, sources.artifacts), sources, draft)
    elif isinstance(stage, PreferencesStage):
        from pipelines.preferences import preferences

        preferences(stage, recipe.seed, model_folder(stage.model, recipe, sources.artifacts), sources, draft)
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
    if isinstance(stage, (InitStage, CptStage, SftStage)):
        inputs["corpora"] = [identity(corpus, sources) for corpus in stage.corpora]
    if isinstance(stage, (CptStage, ReplayStage, SftStage, PreferencesStage, DpoStage)):
        inputs["model"] = model_identity(stage.model, recipe, sources.artifacts)
    if isinstance(stage, PreferencesStage):
        inputs["prompts"] = identity(stage.prompts, sources)
    if isinstance(stage, DpoStage):
        inputs["preferences"] = identity(stage.preferences, sources)
    if isinstance(stage, ExamStage):
        corpora = [*stage.items, *stage.medical, *stage.general, *stage.emergencies]
        inputs["corpora"] = [identity(corpus, sources) for corpus in corpora]
        inputs["models"] = [model_identity(model, recipe, sources.artifacts) for model in stage.models]
    return {"stage": name, "config": stage.model_dump(), "seed": recipe.seed, "inputs": inputs}


def reproduce(recipe: Recipe, run_dir: Path, data_dir: Path | None = None) -> dict[str, Artifact]:
    """Runs what is not yet done of ``recipe`` below ``run_dir`` and returns the artifact of each stage."""
    training.quiet()
    training.use_all_cores()
    artifacts: dict[str, Artifact] = {}
    sources = Sources(data_dir, recipe.seed, artifacts)
    for number, (name, stage) in enumerate(recipe.stages.items(), start=1):
        heading = f"[{number}/{len(recipe.stages)}] {name}"
        what = given(name, stage, recipe, sources)
        folder = run_dir / name
        from pipelines.artifact import fingerprint

        done = matches(folder, fingerprint(what))
        if done is not None:
            console.print(f"[dim]{heading}: done before, skipped[/dim]")
        else:
            console.print(f"[bold]{heading}[/bold]")
            started = time.perf_counter()
            with drafting(folder, name, what) as draft:
                run_stage(name, stage, recipe, sources, draft)
            done = matches(folder, fingerprint(what))
            assert done is not None
            console.print(f"{heading}: {time.perf_counter() - started:.0f} s")
        artifacts[name] = done
    return artifacts

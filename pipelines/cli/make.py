"""Commands that run a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from corpora.errors import OslerError
from pipelines.cli.options import (
    RECIPE,
    DataOption,
    LaunchOption,
    NodeRankOption,
    NodesOption,
    ProcessesOption,
    RecipeArgument,
    RendezvousOption,
    RunOption,
    app,
    launched,
    out,
)


def _run(
    name: str,
    run: Path | None,
    data: Path | None,
    kind: str | None,
    launch: str | None = None,
    processes: int | None = None,
    nodes: int | None = None,
    node_rank: int = 0,
    rendezvous: str | None = None,
) -> None:
    from pipelines.config import load_recipe
    from pipelines.launch import Node
    from pipelines.reproduce import reproduce

    recipe = launched(load_recipe(name), launch, processes, nodes)
    if kind is not None and not any(stage.kind == kind for stage in recipe.stages.values()):
        kinds = ", ".join(dict.fromkeys(stage.kind for stage in recipe.stages.values()))
        raise OslerError(f"recipe '{recipe.name}' has no stage of kind '{kind}'; it has: {kinds}")
    reproduce(recipe, run or Path("runs") / recipe.name, data, until_kind=kind, node=Node(node_rank, rendezvous))


@app.command()
def reproduce(
    recipe: RecipeArgument = RECIPE,
    run: RunOption = None,
    data: DataOption = None,
    launch: LaunchOption = None,
    processes: ProcessesOption = None,
    nodes: NodesOption = None,
    node_rank: NodeRankOption = 0,
    rendezvous: RendezvousOption = None,
) -> None:
    """Run every stage of a RECIPE, serve the result, ask it, and write the report.

    Finished stages are skipped; an interrupted one goes on from its last checkpoint.

    Examples: `osler reproduce` · `osler reproduce nano-real --data ~/datasets`
    """
    _run(recipe, run, data, None, launch, processes, nodes, node_rank, rendezvous)


@app.command()
def cpt(
    recipe: RecipeArgument = RECIPE,
    run: RunOption = None,
    data: DataOption = None,
    launch: LaunchOption = None,
    processes: ProcessesOption = None,
    nodes: NodesOption = None,
    node_rank: NodeRankOption = 0,
    rendezvous: RendezvousOption = None,
) -> None:
    """Continue pretraining: run RECIPE up to its last `cpt` stage.

    Next-token prediction on the stage's documents; `training:` in the recipe is transformers' TrainingArguments, field for field.
    Finished stages are skipped. The model is left in `runs/NAME/cpt/model`.

    Examples: `osler cpt` · `osler cpt my-recipe.yaml --run runs/try`
    """
    _run(recipe, run, data, "cpt", launch, processes, nodes, node_rank, rendezvous)


@app.command()
def sft(
    recipe: RecipeArgument = RECIPE,
    run: RunOption = None,
    data: DataOption = None,
    launch: LaunchOption = None,
    processes: ProcessesOption = None,
    nodes: NodesOption = None,
    node_rank: NodeRankOption = 0,
    rendezvous: RendezvousOption = None,
) -> None:
    """Fine-tune on dialogues: run RECIPE up to its last `sft` stage.

    Loss counts on the assistant's tokens only; `training:` is TRL's SFTConfig, and `lora:` trains an adapter and merges it.

    Examples: `osler sft` · `osler sft my-recipe.yaml`
    """
    _run(recipe, run, data, "sft", launch, processes, nodes, node_rank, rendezvous)


@app.command()
def prefs(recipe: RecipeArgument = RECIPE, run: RunOption = None, data: DataOption = None) -> None:
    """Build preference pairs from the model's own answers: run RECIPE up to its last `preferences` stage.

    Several answers to each prompt are sampled through vLLM and judged against the facts; the best and the worst are kept in
    `runs/NAME/preferences/records.jsonl`.

    Examples: `osler prefs` · `osler prefs my-recipe.yaml`
    """
    _run(recipe, run, data, "preferences")


@app.command()
def dpo(
    recipe: RecipeArgument = RECIPE,
    run: RunOption = None,
    data: DataOption = None,
    launch: LaunchOption = None,
    processes: ProcessesOption = None,
    nodes: NodesOption = None,
    node_rank: NodeRankOption = 0,
    rendezvous: RendezvousOption = None,
) -> None:
    """Align with DPO: run RECIPE up to its last `dpo` stage.

    Trains on preference pairs with TRL's DPOTrainer; `training:` is its DPOConfig, and `lora:` is merged at the end.

    Examples: `osler dpo` · `osler dpo my-recipe.yaml`
    """
    _run(recipe, run, data, "dpo", launch, processes, nodes, node_rank, rendezvous)


@app.command()
def publish(
    stage: Annotated[str, typer.Argument(help="The stage whose model is given away.")],
    target: Annotated[Path, typer.Argument(help="Folder to write to.")],
    recipe: Annotated[str, typer.Option("--recipe", "-r", help="The recipe that made it.")] = RECIPE,
    run: RunOption = None,
) -> None:
    """Copy the model of a STAGE to TARGET with its manifest: sources, licences, tokens, losses, ten samples.

    Example: `osler publish extend my-base --recipe nano-base`
    """
    from pipelines import training
    from pipelines.config import load_recipe
    from pipelines.publish import publish as write

    training.quiet()
    loaded = load_recipe(recipe)
    out.print(str(write(loaded, run or Path("runs") / loaded.name, stage, target)))

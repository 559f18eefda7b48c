"""Commands that run a recipe."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from corpora.errors import OslerError
from pipelines.cli.options import (
    RECIPE,
    DataOption,
    LaunchOption,
    NodeRankOption,
    NodesOption,
    OwnRecipeArgument,
    ProcessesOption,
    RecipeArgument,
    RendezvousOption,
    RunOption,
    app,
    err,
    launched,
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

    recipe = launched(load_recipe(name), launch, processes, nodes)
    if kind is not None and not any(stage.kind == kind for stage in recipe.stages.values()):
        kinds = ", ".join(dict.fromkeys(stage.kind for stage in recipe.stages.values()))
        raise OslerError(f"recipe '{recipe.name}' has no stage of kind '{kind}'; it has: {kinds}")
    folder = run or Path("runs") / recipe.name
    err.print(f"recipe {recipe.name}, into {folder}", markup=False)
    # The trainers take seconds to import: a wrong name is told before, and a right one has been confirmed.
    from pipelines.launching.accelerate import Node
    from pipelines.reproduce import reproduce

    reproduce(recipe, folder, data, until_kind=kind, node=Node(node_rank, rendezvous))


def _up_to(kind: str | None, given: Any = RECIPE) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Makes a command, by the decorated function's name and docstring, that runs a recipe up to its last stage of ``kind``.

    ``given`` is the recipe when none is named; ``...`` where no bundled recipe has such a stage, and one has to be.
    """

    def register(described: Callable[[], None]) -> Callable[[], None]:
        def command(
            recipe: RecipeArgument = given,
            run: RunOption = None,
            data: DataOption = None,
            launch: LaunchOption = None,
            processes: ProcessesOption = None,
            nodes: NodesOption = None,
            node_rank: NodeRankOption = 0,
            rendezvous: RendezvousOption = None,
        ) -> None:
            _run(recipe, run, data, kind, launch, processes, nodes, node_rank, rendezvous)

        if given is ...:
            command.__annotations__["recipe"] = OwnRecipeArgument
        app.command(described.__name__, help=described.__doc__)(command)
        return described

    return register


@_up_to(None)
def reproduce() -> None:
    """Run every stage of a RECIPE, serve the result, ask it, and write the report.

    Finished stages are skipped; an interrupted one goes on from its last checkpoint.

    Examples: `osler reproduce` · `osler reproduce nano-real --data ~/datasets`
    """


@_up_to("cpt")
def cpt() -> None:
    """Continue pretraining: run RECIPE up to its last `cpt` stage.

    Next-token prediction on the stage's documents; `training:` in the recipe is transformers' TrainingArguments, field for field.
    Finished stages are skipped. The model is left in `runs/NAME/cpt/model`.

    Examples: `osler cpt` · `osler cpt my-recipe.yaml --run runs/try`
    """


@_up_to("mlm", "nano-encoder")
def mlm() -> None:
    """Pretrain an encoder on masked words: run RECIPE up to its last `mlm` stage.

    Whole words are masked, 15% of the tokens; `training:` is transformers' TrainingArguments. Loss and accuracy on held-out
    documents, under a mask that is always the same, are in the manifest.

    Examples: `osler mlm` · `osler mlm bert-base-medical --data ~/datasets`
    """


@_up_to("sft")
def sft() -> None:
    """Fine-tune on dialogues: run RECIPE up to its last `sft` stage.

    Loss counts on the assistant's tokens only; `training:` is TRL's SFTConfig, and `lora:` trains an adapter and merges it.

    Examples: `osler sft` · `osler sft my-recipe.yaml`
    """


@app.command()
def prefs(recipe: RecipeArgument = RECIPE, run: RunOption = None, data: DataOption = None) -> None:
    """Build preference pairs from the model's own answers: run RECIPE up to its last `preferences` stage.

    Several answers to each prompt are sampled through vLLM and scored: by the facts, by verifiers, by a reward model or by a judge. Pairs are
    left in `runs/NAME/preferences/records.jsonl`, with a report on them.

    Examples: `osler prefs` · `osler prefs my-recipe.yaml`
    """
    _run(recipe, run, data, "preferences")


@_up_to("dpo")
def dpo() -> None:
    """Align with DPO: run RECIPE up to its last `dpo` stage.

    Trains on preference pairs with TRL's DPOTrainer; `training:` is its DPOConfig, and `lora:` is merged at the end. The variant is
    `training: {loss_type: …}`: sigmoid, ipo, robust (with label_smoothing), sigmoid_norm, or several with loss_weights.

    Examples: `osler dpo` · `osler dpo my-recipe.yaml`
    """


@_up_to("grpo", ...)
def grpo() -> None:
    """Reinforce answers that verifiers find right: run RECIPE up to its last `grpo` stage.

    TRL's GRPOTrainer samples groups of answers; `training:` is its GRPOConfig, `rewards:` names the verifiers with their weights.
    The mean reward of each verifier by step is in the stage's manifest. In the recipe:

    `grpo: {kind: grpo, model: sft, items: [{name: medmcqa-train, part: train}], rewards: {right_option: 1.0}}`

    Example: `osler grpo my-recipe.yaml`
    """


@_up_to("kto", ...)
def kto() -> None:
    """Align with KTO: run RECIPE up to its last `kto` stage.

    Learns from answers that are each known to be good or bad, with TRL's KTOTrainer; no pairs are needed, and a pair counts as one
    of each. `training:` is its KTOConfig: desirable_weight and undesirable_weight balance unequal numbers. In the recipe:

    `kto: {kind: kto, model: sft, preferences: {name: thumbs.jsonl}, lora: {r: 16}, training: {beta: 0.1}}`

    Examples: `osler kto my-recipe.yaml` · `osler kto my-recipe.yaml --run runs/try`
    """


@_up_to("orpo", ...)
def orpo() -> None:
    """Align with ORPO: run RECIPE up to its last `orpo` stage.

    Teaches the chosen answers and turns away from the rejected ones in one stage, without a reference model: it takes the place of
    `sft` and `dpo`. `training:` is TRL's ORPOConfig; its beta weighs the odds ratio. In the recipe:

    `orpo: {kind: orpo, model: cpt, preferences: {name: pairs.jsonl}, training: {beta: 0.1, learning_rate: 0.00001}}`

    Examples: `osler orpo my-recipe.yaml` · `osler orpo my-recipe.yaml --data ~/datasets`
    """


@_up_to("reward", ...)
def reward() -> None:
    """Train a reward model: run RECIPE up to its last `reward` stage.

    Learns from preference pairs to give an answer one number (Bradley-Terry), with TRL's RewardTrainer; `training:` is its
    RewardConfig. The pairs of `held_out` of the prompts are kept to measure how often it prefers what was chosen, which the
    manifest tells with a 95% interval. The model is a sequence classifier in `runs/NAME/STAGE/model`. In the recipe:

    `reward: {kind: reward, model: sft, preferences: {name: pairs.jsonl}, held_out: 0.1, lora: {r: 16}}`

    Examples: `osler reward my-recipe.yaml` · `osler reward my-recipe.yaml --data ~/datasets`
    """

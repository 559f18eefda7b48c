"""Commands that give a model away: publish, card, export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from corpora.errors import OslerError
from pipelines.cli.options import RECIPE, RunOption, app, out


@app.command()
def publish(
    stage: Annotated[str, typer.Argument(help="The stage whose model is given away.")],
    target: Annotated[Path, typer.Argument(help="Folder to write to.")],
    recipe: Annotated[str, typer.Option("--recipe", "-r", help="The recipe that made it.")] = RECIPE,
    run: RunOption = None,
) -> None:
    """Copy the model of a STAGE to TARGET with its card and its manifest: sources, licences, tokens, losses, ten samples.

    Example: `osler publish extend my-base --recipe nano-base`
    """
    from pipelines import training
    from pipelines.config import load_recipe
    from pipelines.release.publish import publish as write

    training.quiet()
    loaded = load_recipe(recipe)
    out.print(str(write(loaded, run or Path("runs") / loaded.name, stage, target)))


@app.command()
def card(
    stage: Annotated[str, typer.Argument(help="The stage whose model is described.")],
    target: Annotated[
        Path, typer.Argument(help="Folder that README.md is written to; the model is called as the folder.")
    ],
    recipe: Annotated[str, typer.Option("--recipe", "-r", help="The recipe that made it.")] = RECIPE,
    run: RunOption = None,
) -> None:
    """Write the model card of a STAGE to TARGET/README.md: licence, data, choices, scores, limits, in the hub's form.

    Example: `osler card final my-model --recipe nano`
    """
    from pipelines.config import load_recipe
    from pipelines.release.card import write_card

    loaded = load_recipe(recipe)
    out.print(str(write_card(loaded, run or Path("runs") / loaded.name, stage, target)))


@app.command()
def export(
    model: Annotated[
        Path, typer.Argument(help="A stage's folder in a run, as runs/nano/final, or a model's own folder.")
    ],
    to: Annotated[Path, typer.Option("--to", help="Folder to write to.")],
    shards: Annotated[
        str | None,
        typer.Option("--shards", help="Largest safetensors file, as 5GB. Default: 5GB, unless --gguf is given."),
    ] = None,
    gguf: Annotated[
        str | None, typer.Option("--gguf", help="Write one GGUF file of this type: f16, bf16, q8_0 or f32.")
    ] = None,
) -> None:
    """Write a MODEL as safetensors in shards, or as GGUF for llama.cpp, with its tokenizer and chat template.

    Examples: `osler export runs/nano/final --to final-gguf --gguf q8_0` · `osler export my-72b --to cut --shards 2GB --gguf q8_0`, which writes both
    """
    from pipelines import training
    from pipelines.release.export import export_shards, model_folder, refuse_source

    training.quiet()
    source = model_folder(model)
    if gguf is not None:
        from pipelines.release.gguf import TYPES, write_gguf

        if gguf not in TYPES:
            raise OslerError(f"--gguf {gguf}: the types are {', '.join(TYPES)}")
    refuse_source(to, source)
    if shards is not None or gguf is None:
        for path in export_shards(source, to, shards or "5GB"):
            out.print(str(path))
    if gguf is None:
        return
    to.mkdir(parents=True, exist_ok=True)
    name = model.parent.name if model.name == "model" else model.name
    file = to / f"{name}-{gguf}.gguf"
    rule, alike = write_gguf(source, file, gguf)
    out.print(str(file))
    out.print(f"llama.cpp cuts text by its rule '{rule}': {alike:.1%} of the texts tried become the same tokens")

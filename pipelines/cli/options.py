"""The application, and the arguments that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pipelines.config.layers import recipe_names

app = typer.Typer(
    help="Make a medical language model from a base model, examine it, serve it, and ask it.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def _bundled() -> str:
    """The bundled recipes in few words: those of one base model share its name."""
    found: dict[str, list[str]] = {}
    for name in recipe_names():
        folder, _, last = name.rpartition("/")
        found.setdefault(folder, []).append(last)
    words = [
        f"`{folder}/` with {', '.join(f'`{name}`' for name in names)}"
        if folder
        else ", ".join(f"`{name}`" for name in names)
        for folder, names in found.items()
    ]
    return "; ".join(words)


RecipeArgument = Annotated[
    str,
    typer.Argument(
        help=f"The path of a YAML file, or the name of a bundled recipe: {_bundled()}. `osler recipe list` describes them."
    ),
]
OwnRecipeArgument = Annotated[str, typer.Argument(help="Path of a YAML recipe that has such a stage.")]
RunOption = Annotated[
    Path | None,
    typer.Option(
        "--run", help="Folder for the artifacts and the report. Default: `runs/NAME`, after the recipe's name."
    ),
]
DataOption = Annotated[
    Path | None,
    typer.Option("--data", help="Folder that holds the published datasets a recipe names (see corpora/catalog.yaml)."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table.")]
UrlOption = Annotated[
    str | None,
    typer.Option("--url", help="An OpenAI-compatible server that already runs, as http://127.0.0.1:8000/v1."),
]
RECIPE = "nano"

"""The application, and the arguments that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from corpora.errors import OslerError
from pipelines.bundled import recipe_names

if TYPE_CHECKING:
    from pipelines.config import Recipe

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
    typer.Option(
        "--data",
        exists=True,
        file_okay=False,
        help="Folder that holds the published datasets a recipe names (see corpora/catalog.yaml).",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table.")]


def address(url: str | None) -> str | None:
    """The address of a server, with the ``http://`` that people leave out of it.

    Raises:
        typer.BadParameter: it is none.
    """
    if not url:
        return url
    url = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of a port that is no number, or too large a one
        known = False
    if not known:
        raise typer.BadParameter(f"'{url}' is no address of a server, as http://127.0.0.1:8000/v1")
    return url


def check_key(url: str, key: str) -> None:
    """Raises OslerError where a client cannot send ``key`` to ``url``."""
    from serving.addresses import can_be_sent

    if not can_be_sent(key):
        raise OslerError(f"{url}: the key has signs that no key has; set OSLER_API_KEY to one of `osler keys add`")


def whole_address(url: str | None) -> str | None:
    """The address of an OpenAI-compatible server: also with the ``/v1`` that people leave out after a bare host."""
    url = address(url)
    return url.rstrip("/") + "/v1" if url and urlsplit(url).path in ("", "/") else url


UrlOption = Annotated[
    str | None,
    typer.Option(
        "--url",
        "--endpoint",
        help="An OpenAI-compatible server that already runs, as http://127.0.0.1:8000/v1.",
        callback=whole_address,
    ),
]
LaunchOption = Annotated[
    str | None,
    typer.Option(
        "--launch",
        help="How training is shared out over processes: `ddp`, `fsdp2`, `zero2` or `zero3`. Default: the recipe's `launch:`.",
    ),
]
ProcessesOption = Annotated[
    int | None, typer.Option("--processes", help="Processes that train, over all machines: one a device.")
]
NodesOption = Annotated[int | None, typer.Option("--nodes", help="Machines that share them evenly.")]
NodeRankOption = Annotated[
    int, typer.Option("--node-rank", help="Number of this machine among `--nodes`, from 0.", envvar="OSLER_NODE_RANK")
]
RendezvousOption = Annotated[
    str | None,
    typer.Option("--rendezvous", help="HOST:PORT of the first machine, where all meet.", envvar="OSLER_RENDEZVOUS"),
]
RECIPE = "nano"


def table(title: str, *heads: str, names: int = 1) -> Table:
    """An empty table whose first ``names`` columns are never cut or broken: they hold what a reader types again.

    Heads with a % or of a number (n) stand to the right.
    """
    shown = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for place, head in enumerate(heads):
        number = place >= names and (head == "n" or "%" in head)
        shown.add_column(head, no_wrap=place < names, overflow="fold", justify="right" if number else "left")
    return shown


def launched(recipe: Recipe, strategy: str | None, processes: int | None, nodes: int | None) -> Recipe:
    """The recipe with what the command line says of its ``launch`` block.

    Raises:
        RecipeError: the block is wrong as a whole.
    """
    from pydantic import ValidationError

    from pipelines.config import Launch, RecipeError

    said = {"strategy": strategy, "processes": processes, "nodes": nodes}
    said = {key: value for key, value in said.items() if value is not None}
    if not said:
        return recipe
    block = recipe.launch.model_dump() if recipe.launch is not None else {}
    if strategy is not None and block.get("strategy") != strategy:
        block.pop("options", None)  # of another strategy
    try:
        return recipe.model_copy(update={"launch": Launch.model_validate({**block, **said})})
    except ValidationError as error:
        first = error.errors()[0]
        place = "".join(f" --{'launch' if part == 'strategy' else part}" for part in first["loc"])
        raise RecipeError(f"the command line{place}: {first['msg'].removeprefix('Value error, ')}") from error

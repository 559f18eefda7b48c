"""The command that opens the board."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.options import DataOption, app, err, out


@app.command()
def board(
    host: Annotated[str, typer.Option(help="Address to listen on. Another than loopback needs a key.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 7870,
    runs: Annotated[Path, typer.Option("--runs", help="Folder of the runs; nothing is written outside it.")] = Path(
        "runs"
    ),
    data: DataOption = None,
    key_file: Annotated[
        Path | None,
        typer.Option(
            "--key-file",
            help="File with the key to log in with (user `osler`). Default: `OSLER_BOARD_KEY`, if it is set.",
        ),
    ] = None,
) -> None:
    """Make a model in the browser: choose data, open or write a recipe, plan, start, watch, stop, go on, examine, compare, talk, export.

    Everything is a recipe and a command, which the page shows. What it started goes on when the page or the board is closed, and is found
    again by the next one.

    Examples: `osler board` · `osler board --runs ~/runs --data ~/datasets` · `osler board --host 0.0.0.0 --key-file board.key`
    """
    err.print("opening the board: about ten seconds")
    from pipelines.board.app import check_before_start, read_key, run
    from pipelines.board.places import Places
    from serving.addresses import at

    key = read_key(key_file)
    check_before_start(host, port, key)
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)

    def ready() -> None:
        out.print(f"the board is at {at(shown, port)} (Ctrl-C ends it; runs go on)", markup=False, soft_wrap=True)

    run(Places(runs, data), host, port, key, ready)

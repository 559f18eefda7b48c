"""The command that shows the curves of a run in the browser."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from corpora.errors import OslerError
from pipelines.cli.options import RECIPE, app, out
from pipelines.curves import TRACKIO


@app.command()
def watch(
    run: Annotated[
        Path | None, typer.Argument(help=f"The run's folder. Default: `runs/{RECIPE}`.", show_default=False)
    ] = None,
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port of the dashboard, on this machine's loopback only.")
    ] = 7861,
    browser: Annotated[bool, typer.Option(help="Open a browser window.")] = True,
) -> None:
    """Show the curves of a RUN while it trains or after: loss, learning rate, gradient norm, tokens/s, MFU, memory, margins.

    The dashboard is trackio's; the same figures are in `RUN/tensorboard` for TensorBoard. Ctrl-C ends it.

    Examples: `osler watch` · `osler watch runs/mine --port 9000 --no-browser`
    """
    folder = run or Path("runs") / RECIPE
    if not (folder / TRACKIO).is_dir():
        raise OslerError(f"{folder / TRACKIO}: no curves yet; a training stage writes them there when it begins")
    os.environ["TRACKIO_DIR"] = str((folder / TRACKIO).resolve())  # which trackio reads when it is imported
    import trackio

    out.print(f"curves of {folder}: Ctrl-C ends the dashboard", markup=False)
    trackio.show(
        project=folder.resolve().name, open_browser=browser, block_thread=True, host="127.0.0.1", server_port=port
    )

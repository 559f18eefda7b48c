"""The command that shows the curves of a run in the browser."""

from __future__ import annotations

import contextlib
import io
import os
import threading
from pathlib import Path
from typing import Annotated

import typer

from corpora.errors import OslerError
from pipelines.cli.options import RECIPE, app, out
from pipelines.curves import TENSORBOARD, TRACKIO
from serving.addresses import port_in_use

HOST = "127.0.0.1"


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
        other = f"; TensorBoard shows those of {folder / TENSORBOARD}" if (folder / TENSORBOARD).is_dir() else ""
        raise OslerError(f"{folder / TRACKIO}: no curves yet; a training stage writes them there when it begins{other}")
    if port_in_use(HOST, port):
        raise OslerError(f"port {port} on {HOST} is in use; give another with --port")
    os.environ["TRACKIO_DIR"] = str((folder / TRACKIO).resolve())  # which trackio reads when it is imported
    import trackio

    with contextlib.redirect_stdout(io.StringIO()):  # trackio says that a browser was opened, whether or not
        server, address, *_ = trackio.show(
            project=folder.resolve().name, open_browser=browser, block_thread=False, host=HOST, server_port=port
        )
    out.print(f"curves of {folder} at {address} (Ctrl-C ends the dashboard)", markup=False, soft_wrap=True)
    out.print(
        "'step' there counts the logged points; choose train/global_step as X-axis for optimizer steps", soft_wrap=True
    )
    try:
        threading.Event().wait()
    finally:
        server.close()

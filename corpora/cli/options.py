"""The application of ``osler corpora``, and how its commands print."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console

app = typer.Typer(help="Find, read, check and count the data that models are made from.", no_args_is_help=True)
# Into a pipe lines are as long as they are; only a screen has a width.
out = Console(highlight=False, width=None if sys.stdout is not None and sys.stdout.isatty() else 200)
err = Console(stderr=True, highlight=False)
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text.")]

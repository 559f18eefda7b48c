"""The command ``osler``. Each subcommand is thin: it reads its arguments, calls one function, and prints."""

from __future__ import annotations

import errno
import importlib
import io
import logging
import os
import sys
import warnings
from pathlib import Path

from pydantic_core import PydanticSerializationError

from corpora.cli import app as corpora_app
from corpora.errors import INTERRUPTED, OslerError, Stopped
from pipelines.cli.options import app, err

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault(
    "TRL_EXPERIMENTAL_SILENCE", "1"
)  # of ORPO: the lock file holds TRL at the version that was tested
warnings.filterwarnings(
    "ignore", message="TRL currently supports vLLM"
)  # of GRPO alone; our vLLM is a process of its own
# It asks on import for a package of faster kernels, to answer with rounded weights, which nothing here does.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
logging.getLogger("vllm").setLevel(logging.ERROR)  # that it goes without Triton on a processor is no news

# Importing a module registers its commands, in the order in which ``--help`` lists them below its heading.
_HEADINGS = {
    "Make a model": ("make", "release", "plan", "launch", "watch", "recipe", "board", "bench"),
    "Examine it": ("exam", "judge", "compare"),
    "Serve it and ask it": ("serve", "talk", "ui", "gateway", "deploy"),
    "Without a model": ("triage", "calc", "corpora"),
}
for _heading, _modules in _HEADINGS.items():
    _commands, _groups = len(app.registered_commands), len(app.registered_groups)
    for _name in _modules:
        importlib.import_module(f"pipelines.cli.{_name}")
    if "corpora" in _modules:
        app.add_typer(corpora_app, name="corpora")
    for _command in app.registered_commands[_commands:]:
        _command.rich_help_panel = _heading
    for _group in app.registered_groups[_groups:]:
        _group.rich_help_panel = _heading


STOPPED_HERE = "stopped; run the same command to go on"
_FULL = (errno.ENOSPC, errno.EDQUOT)
# Where files are that no user names: what is wrong with one of them is ours to mend, and a traceback says where.
_INSTALLED = (Path(sys.prefix), Path(__file__).parents[2] / "pipelines", Path(__file__).parents[2] / "corpora")


def _of_a_file(error: OSError) -> str | None:
    """What to say of a file that cannot be read or written; None where the user can do nothing about it."""
    said = (error.strerror or "").lower()
    if error.errno in _FULL:
        return f"{f'{error.filename}: ' if error.filename else ''}{said}; free some, and run the same command again"
    if not isinstance(error.filename, str) or any(Path(error.filename).is_relative_to(one) for one in _INSTALLED):
        return None
    return f"{error.filename}: {said}; name another place"


def main() -> None:
    """Entry point: an error that the user can mend is one message and exit code 1, without a traceback.

    Exit codes: 1 for such an error, 2 for a wrong argument, 75 after SIGTERM with a checkpoint written (the same command goes on), 130
    after Ctrl-C.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed, as some services start a program: an empty one takes its place
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))
        stream = getattr(sys, name)
        if name != "stdin" and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # of a character that an old locale lacks
    try:
        app()
    except Stopped as notice:
        err.print(str(notice), markup=False, soft_wrap=True)
        sys.exit(notice.code)
    except OslerError as error:
        err.print("error:", style="bold red", end=" ")
        err.print(str(error), markup=False, soft_wrap=True)  # square brackets in what a message quotes are no markup
        sys.exit(1)
    except OSError as error:
        said = _of_a_file(error)
        if said is None:
            raise
        err.print("error:", style="bold red", end=" ")
        err.print(said, markup=False, soft_wrap=True)
        sys.exit(1)
    except SystemExit as end:  # which is what Typer makes of Ctrl-C
        if end.code == INTERRUPTED:
            err.print(STOPPED_HERE)
        raise
    except PydanticSerializationError as error:  # which is what pydantic makes of it in the middle of a record
        if "KeyboardInterrupt" not in str(error):
            raise
        err.print(STOPPED_HERE)
        sys.exit(INTERRUPTED)

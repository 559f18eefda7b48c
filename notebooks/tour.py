"""What the tours share: the run that they look at, the command `osler`, and colours that everybody can tell apart.

Three variables of the environment change what is toured, and nothing else has to: ``OSLER_RECIPE`` (a recipe's name or file, `nano` by
default), ``OSLER_RUN`` (its folder, `runs/NAME` by default) and ``OSLER_TOURS`` (where the tours write, `runs/tours` by default).
"""

from __future__ import annotations

import atexit
import collections
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

import httpx

os.chdir(Path(__file__).resolve().parents[1])  # every path of the tours is relative to the repository
sys.path.insert(0, os.getcwd())

RECIPE = os.environ.get("OSLER_RECIPE", "nano")
RUN = Path(os.environ.get("OSLER_RUN", f"runs/{Path(RECIPE).stem}"))
WORK = Path(os.environ.get("OSLER_TOURS", "runs/tours"))
WORK.mkdir(parents=True, exist_ok=True)
OSLER = [sys.executable, "-m", "pipelines.cli"]
BAR = re.compile(r"\d%\|")
LAST = 15  # lines of a server that did not start

# Okabe and Ito's palette (https://jfly.uni-koeln.de/color/): told apart with every common kind of colour vision.
BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
SKY, RED, YELLOW, GREY = "#56B4E9", "#D55E00", "#F0E442", "#7F7F7F"


class CommandError(RuntimeError):
    """A command that ended with an error; what it said is printed above."""


def _environment() -> dict[str, str]:
    # Tables as wide as a page, without the colours that a notebook asks for, and none of vLLM's notes on what is not installed.
    kept = {name: value for name, value in os.environ.items() if name not in ("FORCE_COLOR", "CLICOLOR_FORCE")}
    return {**kept, "COLUMNS": "145", "NO_COLOR": "1", "VLLM_LOGGING_LEVEL": "ERROR"}


def osler(command: str, last: int | None = None) -> None:
    """Runs ``osler COMMAND`` as a terminal does and prints what it says, but for its progress bars.

    Args:
        command: all that stands behind `osler`.
        last: print only so many lines of the end.

    Raises:
        CommandError: the command ended with an error.
    """
    print(f"$ osler {command}")
    lines: collections.deque[str] = collections.deque(maxlen=last)
    words = [*OSLER, *shlex.split(command)]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=_environment()
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            line = line.rstrip()
            if BAR.search(line):
                continue
            lines.append(line)
            if last is None:
                print(line)
    if last is not None:
        print("\n".join(lines))
    if process.returncode != 0:
        raise CommandError(f"`osler {command}` ended with exit code {process.returncode}")


def need_run() -> None:
    """Makes the run that the tours look at where there is none: about ten minutes on two processor cores.

    Raises:
        CommandError: it could not be made.
    """
    if not (RUN / "report.json").is_file():
        osler(f"reproduce {RECIPE} --run {RUN}")


class Running:
    """``osler COMMAND``, a server, in a process of its own until ``stop`` is called or this process ends."""

    def __init__(self, command: str, page: str, seconds: float = 300) -> None:
        """Starts it and waits until it answers.

        Args:
            command: all that stands behind `osler`.
            page: the address that answers once the server is ready.
            seconds: after which it is given up.

        Raises:
            CommandError: the server ended, or did not answer in time; with the last lines that it wrote.
        """
        words = [*OSLER, *shlex.split(command)]
        with tempfile.TemporaryFile("w+", errors="replace") as said:
            self.process = subprocess.Popen(words, stdout=said, stderr=subprocess.STDOUT, env=_environment())
            self._wait(command, page, seconds, said)

    def _wait(self, command: str, page: str, seconds: float, said: IO[str]) -> None:
        atexit.register(self.stop)
        for _ in range(round(2 * seconds)):
            if self.process.poll() is not None:
                break
            try:
                if httpx.get(page, timeout=2).is_success:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.5)
        self.stop()
        said.seek(0)
        last = "".join(said.readlines()[-LAST:])
        raise CommandError(f"`osler {command}` does not answer at {page}; the last that it wrote:\n{last}")

    def stop(self) -> None:
        """Stops it, with all that it started; a second call does nothing."""
        self.process.terminate()
        self.process.wait(60)


def plain_plots() -> None:
    """Plots without boxes, with letters that can be read."""
    import matplotlib

    matplotlib.rcParams.update(
        {
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlelocation": "left",
            "axes.titleweight": "bold",
            "figure.dpi": 110,
            "figure.constrained_layout.use": True,
            "font.size": 10,
            "legend.frameon": False,
        }
    )

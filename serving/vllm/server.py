"""Start, watch and stop vLLM as a child process.

The server is started with ``python -m vllm.entrypoints.openai.api_server``, which works for the processor and the GPU builds
alike, is waited for until its health page answers, and is stopped with everything that it started. ``serving.vllm.supervisor`` starts it
again when it dies.
"""

from __future__ import annotations

import os
import re
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from rich.console import Console
from rich.text import Text

from serving.addresses import ServerError, at, healthy
from serving.memory import memory_kills, peak_memory_gib
from serving.processes import how_it_ended, stop
from serving.vllm.defaults import Option
from serving.vllm.log_folder import LogFolder

START_SECONDS = 600  # a large model may take minutes to load
STOP_SECONDS = 20.0  # for open answers to end
STOP_STARTING_SECONDS = (
    1.0  # for one that has answered nothing yet: loading a model, vLLM may not hear a signal for as long as that takes
)

TELL_SECONDS = 10.0  # between two lines on a start where no terminal shows it moving

_TAIL_BYTES = 4096  # of its log, in which its last line stands: it is looked at four times a second

# Before each line of vLLM's log: the process, the level, the time and the file.
_PREFIX = re.compile(r"^(?:\([^)]*\) )*(?:[A-Z]+ [\d-]+ [\d:]+ \[[^\]]*\] )?")

console = Console(stderr=True, highlight=False)


@dataclass
class Server:
    """A vLLM: where it answers, how it is started, and, once it is, its process.

    Attributes:
        host: where it listens.
        port: where it listens.
        model: what clients call it.
        command: what starts it.
        environment: of its process.
        log: file for what it prints; each start adds to it.
        log_folder: the log's own folder, where nobody gave the log a place.
        api_key: what it wants to be shown, if anything.
        options: the defaults that were chosen for it.
        start_seconds: from its last start to health.
        started_at: its last start, in seconds since 1970.
    """

    host: str
    port: int
    model: str
    command: list[str]
    environment: dict[str, str]
    log: Path
    log_folder: LogFolder | None = None
    api_key: str | None = None
    options: list[Option] = field(default_factory=list)
    start_seconds: float = 0.0
    started_at: float = 0.0
    _process: subprocess.Popen[bytes] | None = None
    _guard: subprocess.Popen[bytes] | None = None
    _log_start: int = 0
    _kills: int = 0
    _answered: bool = False

    @property
    def url(self) -> str:
        """The address of its OpenAI-compatible API, with /v1."""
        return f"{at(self.host, self.port)}/v1"

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """Its process, which must have been started."""
        assert self._process is not None
        return self._process

    def start(self) -> None:
        """Starts the process; ``wait`` waits until it answers."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._kills = memory_kills()
        self._answered = False
        self.started_at = time.time()
        with self.log.open("ab") as stream:
            self._log_start = stream.tell()
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env=self.environment,
                start_new_session=True,  # a Ctrl-C in the terminal reaches us first, and we stop it in order
            )
        # When we are killed and cannot stop it, the pipe closes and this ends the group: no engine is left with its memory.
        self._guard = subprocess.Popen(
            ["sh", "-c", f"read -r _; kill -9 -{self._process.pid} 2>/dev/null"],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def wait(self, seconds: float, stopping: threading.Event | None = None) -> None:
        """Waits for health and shows how long, or until ``stopping`` is set.

        Raises:
            ServerError: it died, or was not healthy in time; with its own reason.
        """
        started = told = time.monotonic()
        with console.status("vLLM is starting") as status:
            while not healthy(self.host, self.port):
                self.check()
                now = time.monotonic()
                waited = now - started
                if waited > seconds:
                    raise ServerError(f"vLLM was not healthy after {waited:.0f} s; {self.last_words()}")
                progress = Text(f"vLLM is starting: {waited:.0f} s {self._doing()}")
                status.update(progress)
                if not console.is_terminal and now - told >= TELL_SECONDS:
                    console.print(progress, soft_wrap=True)
                    told = now
                if (stopping or threading.Event()).wait(0.25):
                    return
        self._answered = True
        self.start_seconds = time.monotonic() - started

    def ended(self) -> str | None:
        """Why the process has ended, with the end of its log; None while it runs."""
        code = self.process.poll()
        if code is None:
            return None
        return f"vLLM {how_it_ended(code, self._said(), self._kills)}; {self.last_words()}"

    def check(self) -> None:
        """Raises ServerError, with the end of the log, when the process has ended."""
        if reason := self.ended():
            raise ServerError(reason)

    def _said(self, most: int | None = None) -> str:
        """What this start has printed; of ``most`` bytes at its end where that is given."""
        if not self.log.is_file():
            return ""
        with self.log.open("rb") as stream:
            end = stream.seek(0, os.SEEK_END)
            stream.seek(self._log_start if most is None else max(self._log_start, end - most))
            return stream.read().decode("utf-8", errors="replace")

    def _doing(self) -> str:
        """What its log said last, in few words."""
        lines = [line.strip() for line in re.split(r"[\r\n]", self._said(_TAIL_BYTES)) if line.strip()]
        return f"({_PREFIX.sub('', lines[-1])[:60]})" if lines else ""

    def last_words(self, lines: int = 12) -> str:
        """The last lines of its log that say something: errors if there are any, else the end."""
        text = self._said().splitlines()
        told = [line for line in text if ("Error" in line or "error:" in line) and " WARNING " not in line]
        return f"the end of its log ({self.log}):\n" + ("\n".join((told or text)[-lines:]) or "(the log is empty)")

    def stop(self) -> None:
        """Ends the process and everything that it started."""
        if self._process is not None:
            stop(self._process, STOP_SECONDS if self._answered else STOP_STARTING_SECONDS)
        if self._guard is not None:
            self._guard.kill()
            self._guard.communicate()
            self._guard = None

    @property
    def peak_memory_gib(self) -> float:
        """Largest resident size so far of the server and its children, in GiB."""
        try:
            children = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return 0.0
        return peak_memory_gib([self.process.pid, *(child.pid for child in children)])

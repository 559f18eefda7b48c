"""Start, watch and stop vLLM as a child process.

The server is started with ``python -m vllm.entrypoints.openai.api_server``, which works for the processor and the GPU builds
alike, is waited for until its health page answers, and is stopped with everything that it started. ``serving.supervisor`` starts it
again when it dies.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console

from serving.addresses import ServerError, at, free_port, healthy, port_in_use
from serving.hardware import has_gpu, machine, memory_kills, peak_memory_gib
from serving.processes import how_it_ended, stop
from serving.vllm_defaults import LEAST_MEMORY_GIB, MODEL_NAME, Option, defaults
from serving.vllm_options import command, environment, given_flags

START_SECONDS = 600  # a large model may take minutes to load

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
        api_key: what it wants to be shown, if anything.
        options: the defaults that were chosen for it.
        start_seconds: from its last start to health.
    """

    host: str
    port: int
    model: str
    command: list[str]
    environment: dict[str, str]
    log: Path
    api_key: str | None = None
    options: list[Option] = field(default_factory=list)
    start_seconds: float = 0.0
    _process: subprocess.Popen[bytes] | None = None
    _guard: subprocess.Popen[bytes] | None = None
    _log_start: int = 0
    _kills: int = 0

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
        started = time.monotonic()
        with console.status("vLLM is starting") as status:
            while not healthy(self.host, self.port):
                self.check()
                waited = time.monotonic() - started
                if waited > seconds:
                    raise ServerError(f"vLLM was not healthy after {waited:.0f} s; {self.last_words()}")
                status.update(f"vLLM is starting: {waited:.0f} s")
                if (stopping or threading.Event()).wait(0.25):
                    return
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

    def _said(self) -> str:
        """What this start has printed."""
        if not self.log.is_file():
            return ""
        with self.log.open("rb") as stream:
            stream.seek(self._log_start)
            return stream.read().decode("utf-8", errors="replace")

    def last_words(self, lines: int = 12) -> str:
        """The last lines of its log that say something: errors if there are any, else the end."""
        text = self._said().splitlines()
        told = [line for line in text if "Error" in line or "error:" in line]
        return f"the end of its log ({self.log}):\n" + ("\n".join((told or text)[-lines:]) or "(the log is empty)")

    def stop(self) -> None:
        """Ends the process and everything that it started."""
        if self._process is not None:
            stop(self._process)
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


def check_before_start(model: str, host: str, port: int, python: Path | None = None) -> None:
    """Raises ServerError when vLLM is not installed, the port is taken, the model is not there, or memory is short."""
    if python is not None:
        if not os.access(python, os.X_OK):
            raise ServerError(f"{python}: no such interpreter; --vllm-python names the Python that has vLLM")
    elif importlib.util.find_spec("vllm") is None:
        raise ServerError(
            "vLLM is not installed; run `make install` (processor) or `pip install 'osler[serve-gpu]'` (GPU)"
        )
    if port_in_use(host, port):
        raise ServerError(f"port {port} on {host} is in use; give another with --port, or stop what listens there")
    folder = Path(model)
    if (model.startswith(("/", ".", "~")) or folder.exists()) and not (folder / "config.json").is_file():
        raise ServerError(f"{model}: no model here (a model folder holds config.json)")
    if not has_gpu():
        weights = sum(path.stat().st_size for path in folder.glob("*.safetensors")) / 2**30 if folder.is_dir() else 0.0
        free = machine().free_gib
        needed = weights * 1.2 + LEAST_MEMORY_GIB
        if free < needed:
            raise ServerError(
                f"vLLM needs about {needed:.1f} GiB of memory for {model} and {free:.1f} GiB are free; close other "
                "programs or serve a smaller model"
            )


def prepared(
    model: str | Path,
    flags: Mapping[str, Any] | None = None,
    host: str = "127.0.0.1",
    port: int | None = None,
    log: Path | None = None,
    words: Sequence[str] = (),
    roomy: bool = False,
    python: Path | None = None,
) -> Server:
    """A server that has not been started: its command, its environment, and the defaults chosen for this machine.

    Args:
        model: a folder or hub id.
        flags: vLLM's own, without their dashes.
        host: address to listen on.
        port: a free one by default.
        log: file for what vLLM prints; a temporary one by default.
        words: vLLM's own flags, as on a command line.
        roomy: it serves people: a KV cache by the free memory, the likeliest words by default (``serving.vllm_defaults``).
        python: the interpreter that has vLLM; this one by default.

    Raises:
        ServerError: vLLM is not installed, the port is taken, the model is not there, or memory is short.
        OslerError: a flag that cannot be taken.
    """
    port = port or free_port()
    given = given_flags(flags or {}, words)
    check_before_start(str(model), host, port, python)
    if log is None:
        log = Path(tempfile.mkdtemp(prefix="osler-vllm-")) / "vllm.log"
    options = defaults(str(model), given, machine(), roomy)
    made = command(str(model), host, port, flags or {}, words, options)
    if python is not None:
        made[0] = str(python)
    key = given.get("api-key") or os.environ.get("VLLM_API_KEY")
    name = str(given.get("served-model-name", MODEL_NAME)).split()[0]
    return Server(host, port, name, made, environment(options), log, None if key is None else str(key), options)


@contextmanager
def serving(
    model: str | Path,
    flags: Mapping[str, Any] | None = None,
    host: str = "127.0.0.1",
    port: int | None = None,
    log: Path | None = None,
    start_seconds: float = START_SECONDS,
) -> Iterator[Server]:
    """VLLM with ``model``, healthy inside the block and stopped after it.

    Args:
        model: a folder or hub id.
        flags: vLLM's own, without their dashes: ``{"max-model-len": 1024}``.
        host: address to listen on.
        port: a free one by default.
        log: file for what vLLM prints; a temporary one by default.
        start_seconds: how long to wait for health.

    Raises:
        ServerError: it cannot start, dies at start, or is not healthy in time. The message ends with vLLM's own reason.
    """
    with running(prepared(model, flags, host, port, log), start_seconds) as server:
        yield server


@contextmanager
def running(server: Server, start_seconds: float = START_SECONDS) -> Iterator[Server]:
    """The server, healthy inside the block and stopped after it. Raises ServerError as ``serving`` does."""
    try:
        server.start()
        server.wait(start_seconds)
        yield server
    finally:
        server.stop()

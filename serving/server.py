"""Start, watch and stop vLLM as a child process.

The server is started with ``python -m vllm.entrypoints.openai.api_server``, which works for the processor and the GPU builds
alike, is waited for until its health page answers, and is stopped with everything that it started.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console

from corpora.errors import OslerError
from serving.hardware import fast_bfloat16, gpus, has_gpu, peak_memory_gib

MODEL_NAME = "osler"  # what clients call the served model
START_SECONDS = 600  # a large model may take minutes to load
PARALLEL_COPIES = "data-parallel-size"
PARALLEL = {"tensor-parallel-size", "pipeline-parallel-size", PARALLEL_COPIES}  # flags that need several workers
LEAST_MEMORY_GIB = 2.0  # vLLM itself, beside the weights, on a processor

console = Console(stderr=True, highlight=False)


class ServerError(OslerError):
    """A server that cannot start, or has stopped."""


@dataclass
class Server:
    """A running vLLM: where it answers, and its process and log."""

    url: str  # of the OpenAI-compatible API, with /v1
    model: str
    process: subprocess.Popen[bytes]
    log: Path
    start_seconds: float = 0.0

    def check(self) -> None:
        """Raises ServerError, with the end of the log, when the process has ended."""
        code = self.process.poll()
        if code is not None:
            raise ServerError(
                f"vLLM stopped with exit code {code}; the end of its log ({self.log}):\n{_reason(self.log)}"
            )

    @property
    def peak_memory_gib(self) -> float:
        """Largest resident size so far of the server and its children, in GiB."""
        try:
            children = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return 0.0
        return peak_memory_gib([self.process.pid, *(child.pid for child in children)])


def free_port() -> int:
    """A TCP port of this machine that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def port_in_use(host: str, port: int) -> bool:
    """Whether something listens on ``host:port``."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0


def command(model: str, host: str, port: int, flags: Mapping[str, Any]) -> list[str]:
    """The command line that starts vLLM; ``flags`` are vLLM's own, without their dashes."""
    defaults: dict[str, Any] = {
        "served-model-name": MODEL_NAME,
        # vLLM logs each request otherwise, and with it what a patient wrote.
        "disable-uvicorn-access-log": True,
    }
    if not has_gpu():
        # Compiling costs half a minute and gains little on a processor.
        # A prompt cut into chunks crashes the processor build when its request has a seed (its random generator cannot
        # be set back), so prompts are not cut.
        defaults |= {
            "dtype": "bfloat16" if fast_bfloat16() else "float32",
            # The worker in the engine's own process: a third less time to start and, for a small model, 1.6 times the tokens
            # per second of one that gets each batch through a pipe. It needs the setting in ``environment`` as well.
            "distributed-executor-backend": None if PARALLEL & set(flags) else "uni",
            "enforce-eager": True,
            "max-num-seqs": 128,
            "no-enable-chunked-prefill": True,
        }
    words = [
        sys.executable,
        "-m",
        "vllm.entrypoints.openai.api_server",
        "--model",
        model,
        "--host",
        host,
        "--port",
        str(port),
    ]
    for key, value in {**defaults, **flags}.items():
        if value is True:
            words.append(f"--{key}")
        elif value not in (False, None):
            words += [f"--{key}", str(value)]
    return words


def on_every_gpu(flags: Mapping[str, Any]) -> dict[str, Any]:
    """The flags with as many copies of the model as this machine's GPUs hold, each cut as the flags say; unchanged without a second GPU."""
    if PARALLEL_COPIES in flags:
        return dict(flags)
    each = int(flags.get("tensor-parallel-size", 1)) * int(flags.get("pipeline-parallel-size", 1))
    copies = gpus() // each
    return {**flags, PARALLEL_COPIES: copies} if copies > 1 else dict(flags)


def environment() -> dict[str, str]:
    """The child's environment: no usage reports, no look-up of the hub for a local folder, a bounded cache."""
    values = {**os.environ, "VLLM_NO_USAGE_STATS": "1", "VLLM_LOGGING_LEVEL": "INFO", "TOKENIZERS_PARALLELISM": "false"}
    if not has_gpu():
        values.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")  # GiB
        values.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    return values


def _reason(log: Path, lines: int = 12) -> str:
    """The last lines of the log that say something: errors if there are any, else the end."""
    text = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
    told = [line for line in text if "Error" in line or "error:" in line]
    return "\n".join((told or text)[-lines:]) or "(the log is empty)"


def healthy(host: str, port: int) -> bool:
    """Whether a vLLM on ``host:port`` says that it is ready."""
    try:
        with urllib.request.urlopen(f"http://{host}:{port}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def check_before_start(model: str, host: str, port: int) -> None:
    """Raises ServerError when vLLM is not installed, the port is taken, the model is not there, or memory is short."""
    if importlib.util.find_spec("vllm") is None:
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
        free = psutil.virtual_memory().available / 2**30
        needed = weights * 1.2 + LEAST_MEMORY_GIB
        if free < needed:
            raise ServerError(
                f"vLLM needs about {needed:.1f} GiB of memory for {model} and {free:.1f} GiB are free; close other "
                "programs or serve a smaller model"
            )


def stop(process: subprocess.Popen[bytes], seconds: float = 20) -> None:
    """Ends the process and all its children: asked first, then killed."""
    try:
        family = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        family = []
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for child in family:
        try:
            child.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(family, timeout=seconds)  # a killed process lives on until the system has taken its memory back


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
    port = port or free_port()
    check_before_start(str(model), host, port)
    if log is None:
        log = Path(tempfile.mkdtemp(prefix="osler-vllm-")) / "vllm.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command(str(model), host, port, flags or {}),
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=environment(),
            start_new_session=True,  # a Ctrl-C in the terminal reaches us first, and we stop it in order
        )
    server = Server(f"http://{host}:{port}/v1", MODEL_NAME, process, log)
    try:
        with console.status("vLLM is starting") as status:
            while not healthy(host, port):
                server.check()
                waited = time.monotonic() - started
                if waited > start_seconds:
                    raise ServerError(
                        f"vLLM was not healthy after {waited:.0f} s; the end of its log ({log}):\n{_reason(log)}"
                    )
                status.update(f"vLLM is starting: {waited:.0f} s")
                time.sleep(0.25)
        server.start_seconds = time.monotonic() - started
        yield server
    finally:
        stop(process)

"""A vLLM from a model's folder: checked for, prepared, and running inside a block."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from serving.addresses import ServerError, check_port_free, free_port
from serving.hardware import has_gpu, machine
from serving.vllm.defaults import LEAST_MEMORY_GIB, MODEL_NAME, defaults
from serving.vllm.log_folder import LogFolder
from serving.vllm.options import command, environment, given_flags
from serving.vllm.server import START_SECONDS, Server


def check_before_start(model: str, host: str, port: int, python: Path | None = None) -> None:
    """Raises ServerError when vLLM is not installed, the port is taken, the model is not there, or memory is short."""
    if python is not None:
        if not (python.is_file() and os.access(python, os.X_OK)):
            raise ServerError(f"{python}: no such interpreter; --vllm-python names the Python that has vLLM")
    elif importlib.util.find_spec("vllm") is None:
        raise ServerError(
            "vLLM is not installed; run `make install` (processor) or `pip install 'osler[serve-gpu]'` (GPU)"
        )
    check_port_free(host, port)
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
        log: file for what vLLM prints; by default one in a folder of its own, which goes at the end unless something failed.
        words: vLLM's own flags, as on a command line.
        roomy: it serves people: a KV cache by the free memory, the likeliest words by default (``serving.vllm.defaults``).
        python: the interpreter that has vLLM; this one by default.

    Raises:
        ServerError: vLLM is not installed, the port is taken, the model is not there, or memory is short.
        OslerError: a flag that cannot be taken.
    """
    port = port or free_port()
    given = given_flags(flags or {}, words)
    check_before_start(str(model), host, port, python)
    options = defaults(str(model), given, machine(), roomy)
    made = command(str(model), host, port, flags or {}, words, options)
    if python is not None:
        made[0] = str(python)
    key = given.get("api-key") or os.environ.get("VLLM_API_KEY")
    name = str(given.get("served-model-name", MODEL_NAME)).split()[0]
    folder = None
    if log is None:
        folder = LogFolder()
        log = folder.log
    return Server(
        host=host,
        port=port,
        model=name,
        command=made,
        environment=environment(options),
        log=log,
        log_folder=folder,
        api_key=None if key is None else str(key),
        options=options,
    )


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
        log: file for what vLLM prints; by default one in a folder of its own, which goes at the end unless something failed.
        start_seconds: how long to wait for health.

    Raises:
        ServerError: it cannot start, dies at start, or is not healthy in time. The message ends with vLLM's own reason.
    """
    with running(prepared(model, flags, host, port, log), start_seconds) as server:
        yield server


@contextmanager
def running(server: Server, start_seconds: float = START_SECONDS) -> Iterator[Server]:
    """The server, healthy inside the block and stopped after it. Raises ServerError as ``serving`` does."""
    failed = False
    try:
        server.start()
        server.wait(start_seconds)
        yield server
    except Exception:
        failed = True
        raise
    finally:
        server.stop()
        if server.log_folder is not None:
            server.log_folder.close(keep=failed)

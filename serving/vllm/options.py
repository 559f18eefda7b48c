"""The words and settings that vLLM is started with.

What a person gives wins always: their words stand last on vLLM's command line, and a variable that is set stays as it is.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from corpora.errors import OslerError
from serving.hardware import gpus, machine
from serving.vllm.defaults import PARALLEL_COPIES, Option, defaults

SHORT = {"-tp": "tensor-parallel-size", "-pp": "pipeline-parallel-size", "-dp": PARALLEL_COPIES, "-q": "quantization"}
# Flags after which the server could not be watched over plain HTTP at its address.
REFUSED = {"ssl-keyfile", "ssl-certfile", "uds", "root-path", "headless"}


def given_flags(flags: Mapping[str, Any], words: Sequence[str] = ()) -> dict[str, Any]:
    """The flags of a mapping and of a command line, by vLLM's long names; the value of the last word that names each.

    ``--no-name`` is ``name: False``, ``--name.part x`` names ``name``, and ``_`` stands for ``-``, as vLLM reads them.

    Raises:
        OslerError: a word that no flag takes, or a flag that the server could not be watched with.
    """
    found: dict[str, Any] = {}
    for key, value in flags.items():
        plain = key.replace("_", "-")
        off = plain.startswith("no-") and value is True
        found[plain.removeprefix("no-") if off else plain] = False if off else value
    name: str | None = None
    for word in words:
        if word.startswith("-") and not re.fullmatch(r"-\d[\d.]*", word):
            head, _, value = word.partition("=")
            name = SHORT.get(head, head.lstrip("-").split(".")[0].replace("_", "-"))
            off = name.startswith("no-")
            name = name.removeprefix("no-")
            found[name] = value or (not off)
        elif name is None:
            raise OslerError(f"unexpected argument '{word}'; vLLM's flags start with --")
        elif found[name] is True:
            found[name] = word
    for key in ("model", "host", "port"):
        if key in found:
            raise OslerError(f"--{key} is not for vLLM here: `osler serve MODEL --host … --port …` sets it")
    if refused := sorted(REFUSED & set(found)):
        raise OslerError(
            f"--{refused[0]}: the server could not be watched; put a TLS proxy in front (docs/deployment.md)"
        )
    return found


def command(
    model: str,
    host: str,
    port: int,
    flags: Mapping[str, Any],
    words: Sequence[str] = (),
    options: Sequence[Option] | None = None,
) -> list[str]:
    """The command line that starts vLLM.

    Args:
        model: a folder or hub id.
        host: address to listen on.
        port: port to listen on.
        flags: vLLM's own, without their dashes.
        words: vLLM's own, as on a command line.
        options: the defaults; those of this machine if None.
    """
    if options is None:
        options = defaults(model, given_flags(flags, words), machine())
    made = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
    made += ["--model", model, "--host", host, "--port", str(port)]
    for name, value in [*((one.name, one.value) for one in options if not one.is_variable), *flags.items()]:
        if value is True:
            made.append(f"--{name}")
        elif value is not False and value is not None:  # 0 is a value
            made += [f"--{name}", str(value)]
    return [*made, *words]


def environment(options: Sequence[Option] | None = None) -> dict[str, str]:
    """The child's environment: no usage reports, no look-up of the hub for a local folder, a bounded cache.

    Args:
        options: the defaults; those of this machine if None.
    """
    if options is None:
        options = defaults("", {}, machine())
    own = {"VLLM_NO_USAGE_STATS": "1", "VLLM_LOGGING_LEVEL": "INFO", "TOKENIZERS_PARALLELISM": "false"}
    chosen = {one.name: str(one.value) for one in options if one.is_variable}
    return {**chosen, **os.environ, **own}


def on_every_gpu(flags: Mapping[str, Any]) -> dict[str, Any]:
    """The flags with as many copies of the model as this machine's GPUs hold, each cut as the flags say; unchanged without a second GPU."""
    if PARALLEL_COPIES in flags:
        return dict(flags)
    each = int(flags.get("tensor-parallel-size", 1)) * int(flags.get("pipeline-parallel-size", 1))
    copies = gpus() // each
    return {**flags, PARALLEL_COPIES: copies} if copies > 1 else dict(flags)

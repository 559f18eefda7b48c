"""Where a dataset or a model is fetched from, and what there is."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

HUB, MODELSCOPE = "https://huggingface.co", "https://www.modelscope.cn"


@dataclass(frozen=True)
class Remote:
    """A file of a dataset on a hub."""

    path: str
    size: int
    sha256: str | None  # where the hub says it


@dataclass(frozen=True)
class Origin:
    """Where a dataset or a model is fetched from."""

    name: str  # hub or modelscope
    repository: str
    revision: str
    endpoint: str
    kind: Literal["dataset", "model"] = "dataset"


def server_of(name: str) -> str:
    """The address of the ``hub`` or of ``modelscope``, or of the mirror that the environment names (HF_ENDPOINT, MODELSCOPE_ENDPOINT)."""
    if name == "hub":
        return os.environ.get("HF_ENDPOINT") or HUB
    return os.environ.get("MODELSCOPE_ENDPOINT") or MODELSCOPE

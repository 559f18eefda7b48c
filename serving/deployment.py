"""A model behind the gateway, beyond one machine: a Kubernetes manifest and a SkyPilot service file.

Sources of the formats: https://kubernetes.io/docs/reference/kubernetes-api/ and https://docs.skypilot.co/en/latest/serving/service-yaml-spec.html.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from corpora.errors import OslerError
from serving.vllm.defaults import MODEL_NAME
from serving.vllm.options import given_flags

TEMPLATES = Path(__file__).parent / "manifests"
PLATFORMS = ("kubernetes", "skypilot")
START = {"kubernetes": "kubectl apply -f", "skypilot": "sky serve up"}
VLLM = "0.33.0"  # of GPUs, as in pyproject.toml
CLAIM = "/models/"  # where a pod sees the claim of models
_NAME = re.compile(r"[a-z]([a-z0-9-]{0,40}[a-z0-9])?")
_HUB = re.compile(r"[\w.-]+/[\w.-]+")
_IMAGE = re.compile(r"[\w][\w./:@-]*")


@dataclass(frozen=True)
class Deployment:
    """What a file asks for.

    Attributes:
        model: a hub id; for Kubernetes also a folder of its claim, ``/models/…``; for SkyPilot also a folder of the project.
        name: of everything that is made.
        image: with Osler in it, for Kubernetes.
        gpus: GPUs of each replica; 0 serves on the processor.
        gpu: their kind, for SkyPilot: ``H100``.
        replicas: copies of the model.
        cpu: cores of each replica, for vLLM.
        memory_gib: memory of each replica, for vLLM.
        storage_gib: disk for the model.
        words: vLLM's own flags.
    """

    model: str
    name: str = MODEL_NAME
    image: str | None = None
    gpus: int = 1
    gpu: str | None = None
    replicas: int = 1
    cpu: int = 8
    memory_gib: int = 32
    storage_gib: int = 100
    words: Sequence[str] = ()


def deployment_file(wanted: Deployment, platform: str, file: Path) -> str:
    """The text of the file.

    Args:
        wanted: what it asks for.
        platform: ``kubernetes`` or ``skypilot``.
        file: where the text will be, for the line that says how to start it.

    Raises:
        OslerError: something that the platform needs is missing or has a wrong form.
    """
    if platform not in PLATFORMS:
        raise OslerError(f"--to {platform}: a file is for one of: {', '.join(PLATFORMS)}")
    if not _NAME.fullmatch(wanted.name):
        raise OslerError(f"--name {wanted.name}: small letters, digits and -, a letter first, 42 characters at most")
    given = given_flags({}, wanted.words)
    if "api-key" in given:
        raise OslerError("--api-key: a secret does not belong into a file; on Kubernetes the secret NAME-vllm holds it")
    hub = bool(_HUB.fullmatch(wanted.model)) and not Path(wanted.model).exists()
    values = {
        "model": wanted.model,
        "name": wanted.name,
        "file": str(file),
        "gpus": wanted.gpus,
        "replicas": wanted.replicas,
        "cpu": wanted.cpu,
        "memory": f"{wanted.memory_gib}Gi",
        "memory_gib": wanted.memory_gib,
        "storage": f"{wanted.storage_gib}Gi",
        "storage_gib": wanted.storage_gib,
        "hub": hub,
    }
    values |= _kubernetes(wanted, hub, given) if platform == "kubernetes" else _skypilot(wanted, hub)
    template = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False).from_string(
        (TEMPLATES / f"{platform}.yaml.jinja").read_text(encoding="utf-8")
    )
    return template.render(values)


def _kubernetes(wanted: Deployment, hub: bool, given: dict[str, object]) -> dict[str, object]:
    if not hub and not (wanted.model.startswith(CLAIM) and "\n" not in wanted.model):
        raise OslerError(
            f"{wanted.model}: a pod sees no folder of this machine; give a hub id, or copy the model to the claim and name it "
            f"{CLAIM}NAME (docs/deployment.md)"
        )
    if wanted.image is None or not _IMAGE.fullmatch(wanted.image):
        raise OslerError(
            "--image: name an image with Osler in it, for the gateway (docs/deployment.md shows how to make one)"
        )
    address = ["--host", "0.0.0.0", "--port", "8000"]
    if not wanted.gpus:  # the processor build is in Osler's image, and the defaults are chosen there
        made = ["osler", "serve", wanted.model, *address, "--restarts", "0", *wanted.words]
        return {"image": wanted.image, "vllm_image": wanted.image, "vllm_command": made}
    made = ["python3", "-m", "vllm.entrypoints.openai.api_server", "--model", wanted.model, *address]
    own: list[tuple[str, list[str]]] = [
        ("served-model-name", [MODEL_NAME]),
        ("disable-uvicorn-access-log", []),
        ("tensor-parallel-size", [str(wanted.gpus)] if wanted.gpus > 1 else ["1"]),
    ]
    if {"pipeline-parallel-size", "data-parallel-size"} & set(given):
        own.pop()
    made += [word for name, value in own if name not in given for word in (f"--{name}", *value)]
    return {
        "image": wanted.image,
        "vllm_image": f"vllm/vllm-openai:v{VLLM}",
        "vllm_command": [*made, *wanted.words],
    }


def _skypilot(wanted: Deployment, hub: bool) -> dict[str, object]:
    if not hub and (Path(wanted.model).is_absolute() or ".." in Path(wanted.model).parts):
        raise OslerError(f"{wanted.model}: the project's folder goes to each machine; name a folder in it, or a hub id")
    if wanted.gpus and (wanted.gpu is None or not re.fullmatch(r"[\w-]+", wanted.gpu)):
        raise OslerError("--gpu: SkyPilot asks for a kind of GPU; name one, as H100, or give --gpus 0")
    made = ["osler", "serve", wanted.model, "--gateway", "--host", "0.0.0.0", "--port", "8080"]
    if wanted.gpus:
        made += ["--vllm-python", ".vllm/bin/python"]
    return {"gpu": wanted.gpu, "command": shlex.join([*made, *wanted.words]), "vllm_package": f"vllm=={VLLM}"}

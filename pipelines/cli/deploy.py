"""The command that writes a served model as a file for a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from corpora.disk import check_target, writing
from pipelines.cli.options import app, out


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def deploy(
    context: typer.Context,
    model: Annotated[
        str,
        typer.Argument(
            help="A hub id. Kubernetes: or /models/NAME on its claim. SkyPilot: or a folder of the project."
        ),
    ],
    to: Annotated[str, typer.Option("--to", help="`kubernetes` or `skypilot`.")] = "kubernetes",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write.")] = None,
    name: Annotated[str, typer.Option(help="Name of everything that is made.")] = "osler",
    image: Annotated[str | None, typer.Option(help="Kubernetes: an image with Osler in it, for the gateway.")] = None,
    gpus: Annotated[int, typer.Option(min=0, help="GPUs of each replica; 0 serves on the processor.")] = 1,
    gpu: Annotated[str | None, typer.Option(help="SkyPilot: the kind of GPU, as H100.")] = None,
    replicas: Annotated[int, typer.Option(min=1, help="Copies of the model.")] = 1,
    cpu: Annotated[int, typer.Option(min=1, help="Cores of each replica.")] = 8,
    memory: Annotated[int, typer.Option(min=1, help="GiB of memory of each replica.")] = 32,
    storage: Annotated[int, typer.Option(min=1, help="GiB of disk for the model.")] = 100,
) -> None:
    """Write MODEL behind the gateway as a file for a cluster. vLLM's own flags can follow.

    Examples: `osler deploy Qwen/Qwen3-8B --image registry.example/osler:1 -o osler.yaml` · `osler deploy runs/nano/final/model --to skypilot
    --gpu H100` · `osler deploy /models/nano --image … --gpus 0 --max-model-len 1024`
    """
    from serving.deployment import START, Deployment, deployment_file

    file = output or Path(f"{name}-{to}.yaml")
    wanted = Deployment(model, name, image, gpus, gpu, replicas, cpu, memory, storage, context.args)
    text = deployment_file(wanted, to, file)
    check_target(file, mark="written by `osler deploy")
    with writing(file) as stream:
        stream.write(text)
    out.print(
        f"{file} is written; its first lines say what to do before: {START[to]} {file}", markup=False, soft_wrap=True
    )

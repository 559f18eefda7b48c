"""The command that opens the page to talk to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from corpora.errors import OslerError
from pipelines.cli.options import UrlOption, app, check_key, err, out
from pipelines.cli.serve import served_model
from pipelines.cli.talk import ModelOption


@app.command()
def ui(
    model: ModelOption = None,
    url: UrlOption = None,
    documents: Annotated[
        list[Path] | None,
        typer.Option("--documents", help="A folder of your own to cite beside the bundled facts; repeatable."),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on. Any other than this machine's own needs --keys.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 7860,
    keys: Annotated[
        Path | None,
        typer.Option(
            "--keys", help="File of `osler keys add`: people log in with a key's name and the key. Default: no login."
        ),
    ] = None,
    api_key: Annotated[
        str | None,
        typer.Option(
            help="Key of the server at --url, if it wants one; of the gateway, one of `osler keys add NAME --own-triage`.",
            envvar="OSLER_API_KEY",
        ),
    ] = None,
    plain: Annotated[
        bool | None,
        typer.Option(
            "--plain/--assistant",
            help="Let the model read the question alone, or with the assistant's rules and passages. Default: plain for a model below 300 "
            "million parameters whose run did not teach it to read passages.",
        ),
    ] = None,
    trained_on: Annotated[
        str | None,
        typer.Option(help="What the model was trained on, for the page to say; for --url, which cannot know."),
    ] = None,
) -> None:
    """Open a chat page in the browser. Starts vLLM for it, unless --url names a server. Ctrl-C closes it.

    Emergencies are answered at once, and also while the model is down. A vLLM that dies is started again, three times within
    ten minutes. Conversations stay in the browser (docs/ui.md).

    Examples: `osler ui` · `osler ui --model runs/nano` · `osler ui --url http://127.0.0.1:8000/v1 --documents ward`
    """
    from contextlib import ExitStack
    from dataclasses import replace

    from pipelines.about import about_folder, model_of_run, reads_passages
    from serving.addresses import at
    from serving.processes import interrupt_on_sigterm
    from serving.served import check_no_second_triage, served
    from serving.ui.about import About
    from serving.ui.app import check_before_start, doctor, run, web
    from serving.vllm.start import prepared, running
    from serving.vllm.supervisor import Restarts, kept

    if documents and plain:
        raise OslerError("--documents are read with --assistant; leave --plain out")
    if api_key:
        check_key(url or "osler ui", api_key)
    check_before_start(host, port, keys)
    interrupt_on_sigterm()
    folder = None if url is not None else served_model(model_of_run(model))
    with ExitStack() as stack:
        address = url
        if folder is not None:
            server = stack.enter_context(running(prepared(folder)))
            stack.enter_context(kept(server, Restarts()))
            address = server.url
        assert address is not None
        found = served(address, api_key)
        check_no_second_triage(address, found)
        if found is None:
            err.print(
                f"{address}: no model answers there yet; the page opens, and answers emergencies and calculations alone",
                markup=False,
                soft_wrap=True,
            )
        about = about_folder(folder) if folder is not None else About(found.name if found else address)
        about = replace(about, trained_on=trained_on) if trained_on else about
        if plain is None:
            plain = folder is not None and not documents and not reads_passages(folder)
        assistant = doctor(address, found, documents or (), api_key, plain)
        application = web(assistant, about, host, keys)
        out.print(f"the page is at {at(host, port)} · Ctrl-C closes it", markup=False, soft_wrap=True)
        run(application, host, port)

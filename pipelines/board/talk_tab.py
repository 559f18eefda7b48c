"""The page's fifth tab: a model of a run is served, and asked."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import gradio as gr

from corpora.errors import OslerError
from pipelines.board import views
from pipelines.board.examine_tab import model_choices, model_of
from pipelines.board.friendly import OWN, QUIET, friendly, friendly_pieces, warn
from pipelines.board.jobs import Job
from pipelines.board.places import Places
from pipelines.board.texts import Say
from serving.addresses import free_port, healthy

SECONDS = 2.0
HOST = "127.0.0.1"

Turns = list[dict[str, Any]]


def port_of(job: Job) -> int:
    """The port that a serving job was given."""
    words = job.words
    return int(words[words.index("--port") + 1]) if "--port" in words else 0


def build(say: Say, places: Places) -> tuple[gr.Dropdown, gr.Timer]:
    """The tab, with its own events; returns the choice of a model, and what looks again and again."""

    def job_of(choice: str | None) -> Job:
        name, stage, _ = model_of(places, choice)
        return places.job(name, f"serve-{stage}")

    @friendly
    def serve(choice: str | None) -> None:
        _, _, model = model_of(places, choice)
        job_of(choice).start(["serve", str(model), "--port", str(free_port())])

    @friendly
    def stop(choice: str | None) -> None:
        job_of(choice).stop()

    def url_of(choice: str | None) -> str | None:
        """The address of the model, once it answers."""
        job = job_of(choice) if choice else None
        if job is None or not job.runs or not healthy(HOST, port_of(job)):
            return None
        return f"http://{HOST}:{port_of(job)}/v1"

    @friendly
    def watch(choice: str | None, before: str | None) -> list[Any]:
        job = job_of(choice) if choice else None
        if job is None or not job.runs:
            failed = job is not None and job.state == "failed"
            now = views.state(say, job) if failed and job is not None else views.note("plain", say("not_served"))
        elif (url := url_of(choice)) is None:
            now = views.note("plain", say("starting"))
        else:
            now = views.note("good", say("served", model=choice, url=url))
            now += views.command(say, job.command, f"osler ui --url {url}", f"osler chat --url {url}")
        runs = job is not None and job.runs
        if now == before:
            return [gr.skip()] * 4
        return [now, now, gr.update(interactive=bool(choice) and not runs), gr.update(interactive=runs)]

    @friendly_pieces
    def ask(question: str, turns: Turns | None, choice: str | None) -> Generator[tuple[Any, Any], None, None]:
        from serving.triage import banner, triage

        question = question.strip()
        shown: Turns = list(turns or [])
        if not question:
            yield gr.skip(), gr.skip()
            return
        shown.append({"role": "user", "content": question})
        first = banner(triage(question))
        start = f"{first}\n\n" if first else ""
        shown.append({"role": "assistant", "content": start or "…"})
        yield "", shown
        # What goes wrong stands below the advice: a message over the page would cover what an emergency is told to do first.
        url = url_of(choice)
        if url is None:
            warn(OslerError(say("serve_first")))
            shown[-1] = {"role": "assistant", "content": start}
            yield question, shown if start else list(turns or [])
            return
        from langchain_core.messages import (
            AIMessage,
            BaseMessage,
            HumanMessage,
        )  # which takes seconds, and the advice is read meanwhile

        from serving.clients import NOTICE, chat_model, stream_answer
        from serving.faults import FAULTS

        history: list[BaseMessage] = []
        for turn in shown[-8:-2]:
            content = turn["content"] if isinstance(turn["content"], str) else str(turn["content"][0].get("text", ""))
            history.append(HumanMessage(content) if turn["role"] == "user" else AIMessage(content))
        said = ""
        try:
            for piece in stream_answer(chat_model(url), question, history):
                said += piece
                shown[-1] = {"role": "assistant", "content": start + said}
                yield "", shown
        except (OslerError, *FAULTS) as error:
            told = say("answer_broke_off", reason=str(error))
            shown[-1] = {"role": "assistant", "content": f"{start}{said}\n\n*{told}*"}
            yield "", shown
            return
        shown[-1] = {"role": "assistant", "content": f"{start}{said}\n\n*{NOTICE}*"}
        yield "", shown

    gr.Markdown(say("talk_intro"))
    with gr.Row(elem_classes="controls"):
        model = gr.Dropdown(model_choices(places), label=say("model"), scale=3, elem_id="talk-model")
        serve_button = gr.Button(say("serve"), variant="primary", interactive=False, elem_id="serve")
        stop_button = gr.Button(say("stop_serving"), variant="stop", interactive=False, elem_id="stop-serving")
    state = gr.HTML(elem_id="served", elem_classes="osler")
    chat = gr.Chatbot(
        label=say("tab_talk"), height=380, buttons=[], feedback_options=None, sanitize_html=True, elem_id="chat"
    )
    with gr.Row(elem_classes="controls"):
        question = gr.Textbox(label=say("question"), scale=5, elem_id="question")
        ask_button = gr.Button(say("ask"), scale=1, elem_id="ask")
    seen = gr.State()
    outputs = [seen, state, serve_button, stop_button]
    timer = gr.Timer(SECONDS, active=False)
    timer.tick(watch, [model, seen], outputs, **QUIET)
    serve_button.click(serve, model, None, **OWN)
    stop_button.click(stop, model, None, **OWN)
    gr.on([ask_button.click, question.submit], ask, [question, chat, model], [question, chat], **OWN)
    return model, timer

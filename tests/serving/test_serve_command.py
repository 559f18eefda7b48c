"""``osler serve`` with a real vLLM: killed, hung up on, and stopped; and vLLM's own command on an artifact."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import openai
import psutil
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from pipelines.cli import app
from serving.addresses import free_port, healthy
from serving.clients import chat_model
from serving.gateway.keys import KeyFile
from serving.gateway.settings import Settings
from tests.serving.processes import family, living

EMERGENCY = "I have crushing chest pain spreading to my left arm and I am sweating"
START_SECONDS = 240
GATEWAY_LIMITS = set(Settings.model_fields) - {"max_prompts", "body_seconds", "connect_seconds"}  # which are no options


def started(command: list[str], port: int, log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command,
            stdout=stream,
            stderr=stream,
            env={**os.environ, "VLLM_NO_USAGE_STATS": "1", "VLLM_CPU_KVCACHE_SPACE": "1"},
        )
    deadline = time.monotonic() + START_SECONDS
    while not healthy("127.0.0.1", port):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)
    return process


@pytest.mark.parametrize("command", ["serve", "gateway"])
def test_the_limits_of_the_door_are_its_settings(command: str):
    options = {one.name: one for one in get_command(app).commands[command].params}  # type: ignore[attr-defined]
    assert {name: options[name].default for name in GATEWAY_LIMITS} == Settings().model_dump(include=GATEWAY_LIMITS)


def test_a_limit_of_the_door_without_the_door_is_an_error(base_model: Path):
    refused = CliRunner().invoke(app, ["serve", str(base_model), "--max-tokens", "9"])
    assert str(refused.exception) == "--max-tokens is a limit of the door; it goes with --gateway"


@pytest.mark.slow
def test_a_killed_vllm_comes_back_behind_the_door_and_the_end_leaves_nothing(base_model: Path, tmp_path: Path):
    key = KeyFile(tmp_path / "keys.json").add("ward", requests_per_minute=100_000)
    port = free_port()
    words = ["serve", str(base_model), "--gateway", "--port", str(port), "--keys", str(tmp_path / "keys.json")]
    words += ["--audit", str(tmp_path / "audit.jsonl"), "--restarts", "1", "--max-model-len", "512"]
    log = tmp_path / "log"
    served = started([sys.executable, "-m", "pipelines.cli", *words], port, log)
    try:
        client = openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=key, max_retries=0)

        def ask(text: str) -> str:
            talk = [{"role": "user", "content": text}]
            return client.chat.completions.create(model="osler", messages=talk, max_tokens=8).choices[0].message.content

        assert ask("What is rain?")
        first = [one for one in family(served) if "vllm.entrypoints.openai.api_server" in one.cmdline()]
        assert len(first) == 1
        all_first = family(served)
        first[0].kill()
        until = time.monotonic() + START_SECONDS
        answered = False
        refusals = []
        while not answered:
            assert time.monotonic() < until
            assert served.poll() is None, log.read_text()
            assert ask(EMERGENCY).startswith("**POSSIBLE EMERGENCY**")
            try:
                answered = bool(ask("What is rain?") and refusals)
            except openai.InternalServerError as error:
                refusals.append(error.response)
            time.sleep(0.5)
        assert {one.status_code for one in refusals} == {503}
        assert all(int(one.headers["retry-after"]) >= 1 for one in refusals)
        assert not living([one for one in all_first if one.pid == first[0].pid])
        said = log.read_text()
        assert "vLLM was killed by SIGKILL" in said
        assert "restart 1 of 1 within 10 min" in said
        assert "--dtype" in said  # the defaults, each with its reason

        everything = family(served)
        served.send_signal(signal.SIGTERM)
        assert served.wait(60) == 0, log.read_text()
        assert not living(everything)
    finally:
        served.kill()


@pytest.mark.slow
def test_without_restarts_a_dead_vllm_ends_the_command_with_its_reason(base_model: Path, tmp_path: Path):
    port = free_port()
    words = ["serve", str(base_model), "--port", str(port), "--restarts", "0", "--max-model-len", "512"]
    log = tmp_path / "log"
    served = started([sys.executable, "-m", "pipelines.cli", *words, "--served-model-name", "ward"], port, log)
    try:
        assert chat_model(f"http://127.0.0.1:{port}/v1", model="ward", max_tokens=8).invoke("What is rain?").text
        everything = family(served)
        next(one for one in everything if "vllm.entrypoints.openai.api_server" in one.cmdline()).kill()
        assert served.wait(60) == 1
        said = log.read_text()
        assert "given up: vLLM ended once. The last time, vLLM was killed by SIGKILL" in said.replace("\n", " ")
        assert "as model 'ward'" in said
        assert "Traceback" not in said
        assert not living(everything)
    finally:
        served.kill()


@pytest.mark.slow
def test_vllms_own_command_serves_an_artifact(base_model: Path, tmp_path: Path):
    port = free_port()
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(base_model)]
    served = started([*command, "--host", "127.0.0.1", "--port", str(port), "--enforce-eager"], port, tmp_path / "log")
    everything = [psutil.Process(served.pid), *family(served)]
    try:
        client = openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="unused")
        talk = [{"role": "user", "content": "What is rain?"}]
        answer = client.chat.completions.create(model=str(base_model), messages=talk, max_tokens=8)
        assert answer.usage is not None
        assert answer.usage.completion_tokens > 0
        assert client.completions.create(model=str(base_model), prompt="The old man", max_tokens=8).choices[0].text
    finally:
        served.terminate()
        served.wait(30)
        for one in living(everything):
            one.kill()

"""The door in front of a real vLLM with the bundled model."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import openai
import psutil
import pytest

from serving.addresses import free_port, healthy
from serving.gateway.app import build, listening
from serving.gateway.audit import Audit, verify
from serving.gateway.door import Gateway
from serving.gateway.keys import KeyFile
from serving.gateway.settings import Settings
from serving.gateway.upstream import Upstream
from serving.vllm.start import serving
from tests.serving.gateway_world import running

EMERGENCY = "I have crushing chest pain spreading to my left arm and I am sweating"
ALLOWED = {"/v1/chat/completions", "/v1/completions", "/v1/models", "/health", "/metrics"}


@pytest.mark.slow
def test_a_real_vllm_behind_the_door(base_model: Path, tmp_path: Path):
    keys = KeyFile(tmp_path / "keys.json")
    key = keys.add("ward")
    settings = Settings(requests_per_minute=100_000)
    with serving(base_model, flags={"max-model-len": 512}) as server:
        root = server.url.removesuffix("/v1")
        gateway = Gateway(Upstream(server.url, settings), keys, Audit(tmp_path / "audit.jsonl"), settings)
        with running(build(gateway), listening) as url:
            client = openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)
            asked = {"model": "osler", "temperature": 0, "max_tokens": 16}
            talk = [{"role": "user", "content": "What is rain?"}]
            bare = openai.OpenAI(base_url=server.url, api_key="x").chat.completions.create(messages=talk, **asked)
            whole = client.chat.completions.create(messages=talk, **asked)
            assert whole.choices[0].message.content == bare.choices[0].message.content
            assert whole.usage == bare.usage
            pieces = list(client.chat.completions.create(messages=talk, stream=True, **asked))
            assert "".join(one.choices[0].delta.content or "" for one in pieces) == bare.choices[0].message.content
            urgent = client.chat.completions.create(messages=[{"role": "user", "content": EMERGENCY}], **asked)
            assert urgent.choices[0].message.content.startswith("**POSSIBLE EMERGENCY**")
            assert client.completions.create(prompt="The old man", **asked).choices[0].text
            with pytest.raises(openai.BadRequestError) as error:
                client.chat.completions.create(messages=[{"role": "user", "content": "word " * 2000}], **asked)
            assert error.value.code == "context_length_exceeded"

            # VLLM finds this schema good, fails on it, and says that the error is its own.
            to_itself = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"$ref": "#"}}}
            for streamed in (False, True):
                with pytest.raises(openai.BadRequestError) as error:
                    client.chat.completions.create(messages=talk, response_format=to_itself, stream=streamed, **asked)
                assert (error.value.code, error.value.param) == ("no_grammar", "response_format")
            wrong = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "foo"}}}
            with pytest.raises(openai.BadRequestError) as error:
                client.chat.completions.create(messages=talk, response_format=wrong, **asked)
            assert error.value.code == "refused_by_model"
            assert client.chat.completions.create(messages=talk, **asked).choices[0].message.content

            # The list is vLLM's own, so a new route of a later release is tried as well.
            routes = httpx.get(f"{root}/openapi.json").json()["paths"]
            assert len(routes) > 10
            tried = 0
            for path, methods in routes.items():
                for method in {*(name.upper() for name in methods), "GET", "POST"}:
                    for shown in ({}, {"authorization": f"Bearer {key}"}):
                        answer = httpx.request(method, url + path, headers=shown, timeout=30)
                        tried += 1
                        if path not in ALLOWED:
                            assert answer.status_code in (404, 405), (method, path)
                        elif not shown and path != "/health":
                            assert answer.status_code in (401, 405), (method, path)
            assert tried > 40

            # A stream that its client leaves is aborted: a second later vLLM has nothing under way, and generated far less
            # than for the same request read to its end.
            def count(name: str) -> float:
                lines = httpx.get(f"{root}/metrics").text.splitlines()
                return sum(float(line.split()[-1]) for line in lines if line.startswith(f"vllm:{name}{{"))

            long = {"model": "osler", "messages": talk, "stream": True, "max_tokens": 450, "n": 4, "seed": 1}
            before = count("generation_tokens_total")
            assert list(client.chat.completions.create(**long, temperature=1.5))
            whole_length = count("generation_tokens_total") - before
            before = count("generation_tokens_total")
            with client.chat.completions.create(**long, temperature=1.5) as stream:
                next(iter(stream))
            time.sleep(1)
            assert count("num_requests_running") == 0
            assert 0 < count("generation_tokens_total") - before < whole_length / 2

            # The engine dies in the middle of an answer.
            def kill() -> None:
                time.sleep(0.3)
                server.process.send_signal(signal.SIGKILL)

            killer = threading.Thread(target=kill)
            killer.start()
            with pytest.raises(openai.APIError):
                for _ in range(50):
                    for piece in client.chat.completions.create(
                        model="osler", messages=talk, stream=True, max_tokens=400, temperature=1, n=4
                    ):
                        assert piece
            killer.join()
            late = client.chat.completions.create(messages=[{"role": "user", "content": EMERGENCY}], **asked)
            assert late.choices[0].message.content.startswith("**POSSIBLE EMERGENCY**")
            assert late.choices[0].finish_reason == "stop"
            with pytest.raises(openai.InternalServerError):
                client.chat.completions.create(messages=talk, **asked)
    assert verify(tmp_path / "audit.jsonl").count >= 6


@pytest.mark.slow
def test_one_command_serves_the_model_behind_the_door(base_model: Path, tmp_path: Path):
    key = KeyFile(tmp_path / "keys.json").add("ward")
    port = free_port()
    places = ["--keys", str(tmp_path / "keys.json"), "--audit", str(tmp_path / "audit.jsonl")]
    words = ["serve", str(base_model), "--gateway", "--port", str(port), *places, "--max-model-len", "512"]
    with (tmp_path / "log").open("wb") as log:
        served = subprocess.Popen(
            [sys.executable, "-m", "pipelines.cli", *words], stderr=log, stdout=log, env={**os.environ}
        )
    try:
        started = time.monotonic()
        while not healthy("127.0.0.1", port):
            assert served.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() - started < 200
            time.sleep(0.2)
        children = psutil.Process(served.pid).children(recursive=True)
        assert children
        client = openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=key, max_retries=0)
        talk = [{"role": "user", "content": "What is rain?"}]
        assert client.chat.completions.create(model="osler", messages=talk).choices[0].message.content
        assert httpx.post(f"http://127.0.0.1:{port}/tokenize", json={}).status_code == 404
        served.send_signal(signal.SIGTERM)
        assert served.wait(40) == 0
        assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    finally:
        served.kill()

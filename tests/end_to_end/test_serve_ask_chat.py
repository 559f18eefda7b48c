"""`osler serve` in one terminal, `osler ask` and `osler chat` in another."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from serving.addresses import free_port, healthy
from tests.end_to_end.conftest import OSLER, osler


@pytest.fixture(scope="module")
def address(run: Path) -> Iterator[str]:
    port = free_port()
    process = subprocess.Popen([*OSLER, "serve", str(run / "dpo" / "model"), "--port", str(port)])
    deadline = time.monotonic() + 300
    while not healthy("127.0.0.1", port):
        assert process.poll() is None, "osler serve has ended"
        assert time.monotonic() < deadline
        time.sleep(0.5)
    family = psutil.Process(process.pid).children(recursive=True)
    yield f"http://127.0.0.1:{port}/v1"
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert not [child for child in family if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


def test_ask_answers_and_says_what_it_is_not(address: str):
    said = osler("ask", "What is asthma?", "--url", address)
    assert len(said.splitlines()[0]) > 3
    assert "not a doctor" in said


def test_ask_continues_a_text(address: str):
    assert osler("ask", "--complete", "The old man", "--url", address).strip()


def test_an_emergency_is_told_before_the_answer_and_in_json(address: str):
    question = "My father's face is drooping and he cannot lift his arm"
    said = " ".join(osler("ask", question, "--url", address).split())
    assert "Call your local emergency number now; this may be a stroke." in said
    done = subprocess.run(
        [*OSLER, "ask", "-", "--url", address, "--json"], input=question, capture_output=True, text=True
    )
    found = json.loads(done.stdout)
    assert found["emergency"]["category"] == "stroke"
    assert found["answer"].strip()
    assert found["question"] == question


def test_an_emergency_is_told_where_no_server_answers():
    address = f"http://127.0.0.1:{free_port()}/v1"
    said = " ".join(osler("ask", "My wife took 40 paracetamol tablets", "--url", address, expect=1).split())
    assert said.index("Go to the emergency department now") < said.index("no server answers there")


def test_chat_takes_several_turns(address: str):
    talk = subprocess.run(
        [*OSLER, "chat", "--url", address],
        input="What is asthma?\nAnd how is it treated?\n\n",
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert len(talk.stdout.strip().splitlines()) >= 2  # an answer to each, and nothing else in a pipe
    assert "osler:" not in talk.stdout


def test_a_port_in_use_is_one_message(address: str, run: Path):
    port = address.rsplit(":", 1)[1].removesuffix("/v1")
    said = " ".join(osler("serve", str(run / "dpo" / "model"), "--port", port, expect=1).split())
    assert f"port {port} on 127.0.0.1 is in use; give another with --port" in said
    assert "Traceback" not in said


def test_no_server_there_is_one_message():
    said = " ".join(osler("ask", "Hello", "--url", f"http://127.0.0.1:{free_port()}/v1", expect=1).split())
    assert "no server answers there; start one with `osler serve`" in said
    assert "Traceback" not in said

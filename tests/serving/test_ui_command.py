"""``osler ui`` with a real vLLM of its own, in a real browser: an answer, a stop, an emergency without the model, and the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from serving.addresses import free_port
from tests.browser import browser
from tests.serving.processes import family, living
from tests.serving.ui_world import answered, ask, retried

START_SECONDS = 240
CHEST = "I have crushing chest pain and a cold sweat"


def begun(port: int, model: Path, log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "pipelines.cli", "ui", "--model", str(model), "--port", str(port)]
    with log.open("wb") as stream:
        return subprocess.Popen(command, stdout=stream, stderr=stream)


def opened(port: int, model: Path, log: Path) -> subprocess.Popen[bytes]:
    """The command, once its page can be asked for."""
    process = begun(port, model, log)
    wait_for_page(process, port, log)
    return process


def wait_for_page(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
            return
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)


def picture(page: Any, name: str) -> None:
    """Keeps what the page shows, for a person to look at, where ``OSLER_SHOTS`` names a folder."""
    if folder := os.environ.get("OSLER_SHOTS"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


@pytest.fixture
def chromium() -> Iterator[Any]:
    with browser() as made:
        yield made


@pytest.mark.slow
def test_the_page_on_a_vllm_of_its_own_answers_stops_and_ends_with_it(chromium: Any, base_model: Path, tmp_path: Path):
    port = free_port()
    url, log = f"http://127.0.0.1:{port}", tmp_path / "log"
    command = opened(port, base_model, log)
    everything = family(command)
    try:
        engines = [one for one in everything if "vllm.entrypoints.openai.api_server" in one.cmdline()]
        assert len(engines) == 1
        page = chromium.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(url)
        page.wait_for_selector("#talk_list label", state="attached")
        standing = page.inner_text("#standing")
        assert "Model: osler-nano-base, " in standing
        assert "A very small demonstration model" in standing

        ask(page, "What is asthma?")
        answered(page)
        whole = page.inner_text("#thread .o-turn .o-text")
        assert len(whole) > 20
        picture(page, "ui-answered")

        # Stopped at the first words: by the page itself, for the answer takes less than a person's second.
        page.evaluate(
            "() => { const watch = new MutationObserver(() => {"
            " const stop = document.querySelector('#stop');"
            " if (document.querySelector('#live .o-text')?.innerText.trim() && stop?.offsetParent) { watch.disconnect(); stop.click(); } });"
            " watch.observe(document.body, {subtree: true, childList: true, characterData: true}); }"
        )
        ask(page, "What is asthma?")
        answered(page, 2)
        assert "You stopped this answer: it is not complete." in page.inner_text("#thread .o-turn:nth-of-type(2)")
        picture(page, "ui-stopped")

        # Without its model the page still says what to do first; the model comes back by itself.
        engines[0].kill()
        ask(page, CHEST)
        page.wait_for_selector("#emergency [role=alert]")
        answered(page, 3)
        assert "The model cannot be reached." in page.inner_text("#thread .o-fault")
        picture(page, "ui-without-model")
        until = time.monotonic() + START_SECONDS
        while page.locator("#thread .o-turn").last.locator(".o-fault").count():
            assert time.monotonic() < until, log.read_text()
            page.wait_for_timeout(2000)
            retried(page, 3)
        assert len(page.locator("#thread .o-turn").last.locator(".o-text").inner_text()) > 20
        assert "restart 1 of 3 within 10 min" in log.read_text()
        assert faults == []

        everything += family(command)
        command.send_signal(signal.SIGTERM)
        assert command.wait(60) == 0, log.read_text()
        assert not living(everything)
        assert "Traceback" not in log.read_text()
        with pytest.raises(urllib.error.URLError):
            urllib.request.urlopen(url, timeout=5)
    finally:
        command.kill()


# The command with a stand-in for vLLM and one quick restart; its arguments: the stand-in, a folder for its notes, and the command's own.
QUICK = """
import os, sys
from pathlib import Path
from serving import addresses
from serving.vllm import server, start, supervisor
from pipelines.cli import main
stand_in, folder, *words = sys.argv[1:]
def prepared(model):
    port = addresses.free_port()
    command = [sys.executable, stand_in, str(port), folder, "once"]
    return server.Server("127.0.0.1", port, "osler", command, dict(os.environ), Path(folder) / "vllm.log")
policy = supervisor.Restarts(most=1, first=0.05)
start.prepared, supervisor.Restarts = prepared, lambda: policy
sys.argv = ["osler", "ui", *words]
main()
"""


@pytest.mark.slow
def test_a_page_whose_vllm_does_not_come_back_ends_with_its_reason(base_model: Path, tmp_path: Path):
    port, stand_in = free_port(), Path(__file__).with_name("dying_server.py")
    words = [str(stand_in), str(tmp_path), "--model", str(base_model), "--port", str(port)]
    log = tmp_path / "log"
    with log.open("wb") as stream:
        command = subprocess.Popen([sys.executable, "-c", QUICK, *words], stdout=stream, stderr=stream)
    try:
        wait_for_page(command, port, log)
        everything = family(command)
        next(one for one in everything if str(stand_in) in one.cmdline()).kill()
        assert command.wait(60) == 1, log.read_text()
        said = log.read_text().replace("\n", " ")
        assert "restart 1 of 1" in said
        assert "given up: vLLM ended 2 times" in said
        assert "stopped with exit code 3: out of memory" in said
        assert "Traceback" not in said
        assert not living(everything)
    finally:
        command.kill()


@pytest.mark.slow
def test_a_page_stopped_while_its_vllm_starts_leaves_none(base_model: Path, tmp_path: Path):
    log = tmp_path / "log"
    command = begun(free_port(), base_model, log)
    try:
        until = time.monotonic() + START_SECONDS
        everything: list[psutil.Process] = []
        while not any("vllm.entrypoints.openai.api_server" in one.cmdline() for one in living(everything)):
            assert command.poll() is None, log.read_text()
            assert time.monotonic() < until
            time.sleep(0.2)
            everything = family(command)
        time.sleep(3)  # it imports torch by now
        everything = family(command)
        command.send_signal(signal.SIGTERM)
        assert command.wait(60) == 130, log.read_text()
        assert not living(everything)
        assert "Traceback" not in log.read_text()
    finally:
        command.kill()

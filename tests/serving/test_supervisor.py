"""A server that dies is started again, a bounded number of times, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import openai
import psutil
import pytest

from serving.addresses import ServerError, free_port, healthy
from serving.gateway.app import build
from serving.gateway.audit import Audit
from serving.gateway.door import Gateway
from serving.gateway.keys import KeyFile
from serving.gateway.settings import Settings
from serving.gateway.upstream import Upstream
from serving.vllm.log_folder import KEPT_SECONDS, LogFolder
from serving.vllm.server import Server
from serving.vllm.start import running
from serving.vllm.supervisor import Restarts, keep
from tests.serving.gateway_world import running as opened

STAND_IN = Path(__file__).with_name("dying_server.py")
ANSWER = "Asthma narrows the airways."
EMERGENCY = "I have crushing chest pain spreading to my left arm and I am sweating"
QUICK = Restarts(most=2, window=60, first=0.05)


def server(folder: Path, how: str = "serve") -> Server:
    port = free_port()
    command = [sys.executable, str(STAND_IN), str(port), str(folder), how]
    return Server("127.0.0.1", port, "osler", command, dict(os.environ), folder / "log")


def ask(client: openai.OpenAI, text: str) -> str:
    talk = [{"role": "user", "content": text}]
    return client.chat.completions.create(model="osler", messages=talk).choices[0].message.content


def stand_in_of(keeper: int) -> psutil.Process:
    return next(one for one in psutil.Process(keeper).children() if str(STAND_IN) in one.cmdline())


def until(condition, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def starts(folder: Path) -> int:
    return (folder / "starts").read_text().count("start") if (folder / "starts").is_file() else 0


def alive(folder: Path) -> list[int]:
    """Engines that still run."""
    found = []
    for line in (folder / "engines").read_text().split():
        try:
            if psutil.Process(int(line)).status() != psutil.STATUS_ZOMBIE:
                found.append(int(line))
        except psutil.NoSuchProcess:
            continue
    return found


@contextmanager
def keeping(made: Server, policy: Restarts = QUICK, **settings: float):
    """``keep`` in a thread, and what it raised."""
    stopping, raised = threading.Event(), []

    def run() -> None:
        try:
            keep(made, policy, stopping, **settings)
        except ServerError as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    with running(made):
        thread.start()
        try:
            yield raised, thread
        finally:
            stopping.set()
            thread.join()


def test_a_killed_server_answers_again_and_its_engine_is_not_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    made = server(tmp_path)
    with keeping(made) as (raised, thread):
        (engine,) = alive(tmp_path)
        made.process.send_signal(signal.SIGKILL)
        until(lambda: starts(tmp_path) == 2 and healthy("127.0.0.1", made.port))
        assert engine not in alive(tmp_path)
        assert thread.is_alive()
    assert not raised
    assert alive(tmp_path) == []
    said = capsys.readouterr().err
    assert "killed by SIGKILL" in said
    assert "restart 1 of 2" in said


def test_it_gives_up_and_names_the_exit_code_and_the_memory(tmp_path: Path):
    made = server(tmp_path, "once")
    with keeping(made) as (raised, thread):
        made.process.kill()
        thread.join(20)
        assert starts(tmp_path) == 3  # the first, and as many as the policy allows
    (error,) = raised
    assert "given up: vLLM ended 3 times within 1 min" in str(error)
    assert "exit code 3: out of memory" in str(error)
    assert "RuntimeError: torch.OutOfMemoryError" in str(error)
    assert alive(tmp_path) == []


def test_old_deaths_do_not_count(tmp_path: Path):
    made = server(tmp_path)
    with keeping(made, Restarts(most=1, window=0.3, first=0.05)) as (raised, _thread):
        for count in (2, 3):
            made.process.kill()
            until(lambda count=count: starts(tmp_path) == count and healthy("127.0.0.1", made.port))
            time.sleep(0.35)
        assert not raised


def test_a_server_that_hangs_is_started_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    made = server(tmp_path, "hang")
    with keeping(made, hung_seconds=0.3):
        until(lambda: starts(tmp_path) == 2 and healthy("127.0.0.1", made.port), 30)
    assert "health page has not answered" in capsys.readouterr().err


def test_one_that_has_answered_nothing_yet_tells_what_it_does_and_is_not_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("serving.vllm.server.TELL_SECONDS", 0.1)
    made = server(tmp_path, "deaf")
    made.start()
    until(lambda: "Loading" in made.log.read_text())
    with pytest.raises(ServerError, match="not healthy after"):
        made.wait(0.3)
    assert "vLLM is starting: 0 s (Loading the weights)" in capsys.readouterr().err
    asked = time.monotonic()
    made.stop()
    assert time.monotonic() - asked < 3
    assert alive(tmp_path) == []
    assert made.ended() is not None


def test_a_log_that_nobody_gave_a_place_goes_at_the_end_and_stays_where_something_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    made = server(tmp_path)
    for fails in (False, True):
        folder = LogFolder()
        made.log, made.log_folder = folder.log, folder
        with suppress(ServerError), running(made):
            assert folder.log.is_file()
            if fails:
                raise ServerError("vLLM refused a request")
        assert folder.log.is_file() is fails


def test_old_logs_of_servers_that_are_gone_are_removed_and_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    held, gone, fresh = LogFolder(), LogFolder(), LogFolder()
    for folder in (held, gone, fresh):
        folder.log.write_text("INFO")
    gone.close(keep=True)  # as when its process was killed
    fresh.close(keep=True)
    (tmp_path / "osler-vllm-link").symlink_to(held.path)
    long_ago = time.time() - KEPT_SECONDS - 60
    for folder in (held, gone):
        os.utime(folder.log, (long_ago, long_ago))
        os.utime(folder.path, (long_ago, long_ago))
    LogFolder().close(keep=False)
    assert [folder.log.is_file() for folder in (held, gone, fresh)] == [True, False, True]
    held.close(keep=False)


def test_the_waits_double_up_to_the_longest():
    policy = Restarts(first=1, longest=5)
    assert [policy.wait(number) for number in (1, 2, 3, 4)] == [1, 2, 4, 5]


def test_its_group_ends_when_nobody_is_there_to_stop_it(tmp_path: Path):
    made = server(tmp_path)
    with running(made):
        assert alive(tmp_path)
        made._guard.stdin.close()  # as when this process is killed with -9
        until(lambda: alive(tmp_path) == [] and made.ended() is not None)


@pytest.mark.slow
def test_however_the_keeper_ends_nothing_of_the_server_is_left(tmp_path: Path):
    keepers = {}
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        folder = tmp_path / str(int(number))
        folder.mkdir()
        script = textwrap.dedent(f"""
            import signal, sys, threading
            from pathlib import Path
            sys.path.insert(0, {str(Path.cwd())!r})
            from serving.vllm.start import running
            from serving.vllm.supervisor import Restarts, keep
            from tests.serving.test_supervisor import server
            signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
            made = server(Path({str(folder)!r}))
            with running(made):
                print("up", flush=True)
                keep(made, Restarts(), threading.Event())
        """)
        keepers[number, folder] = subprocess.Popen(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    for (number, folder), keeper in keepers.items():
        assert keeper.stdout is not None
        assert keeper.stdout.readline() == b"up\n"
        assert alive(folder)
        keeper.send_signal(number)
        keeper.communicate(timeout=20)
        until(lambda folder=folder: alive(folder) == [])


def test_the_door_answers_while_the_model_is_started_again(tmp_path: Path):
    keys, settings = KeyFile(tmp_path / "keys.json"), Settings()
    key = keys.add("ward")
    made = server(tmp_path)
    gateway = Gateway(Upstream(made.url, settings), keys, Audit(tmp_path / "audit.jsonl"), settings)
    with keeping(made, Restarts(first=1)), opened(build(gateway)) as url:
        asking = openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)
        assert ask(asking, "What is asthma?") == ANSWER
        made.process.kill()
        made.process.wait()
        with pytest.raises(openai.InternalServerError) as error:
            ask(asking, "What is asthma?")
        assert error.value.status_code == 503
        assert int(error.value.response.headers["retry-after"]) >= 1
        assert httpx.get(f"{url}/health").json() == {"status": "degraded", "model": "down"}
        assert ask(asking, EMERGENCY).startswith("**POSSIBLE EMERGENCY**")
        assert starts(tmp_path) == 1
        until(lambda: starts(tmp_path) == 2 and healthy("127.0.0.1", made.port))
        assert ask(asking, "What is asthma?") == ANSWER


@pytest.mark.slow
def test_one_command_keeps_the_model_and_gives_up_in_order(tmp_path: Path, base_model: Path):
    """``osler serve --gateway`` whose vLLM is a stand-in."""
    key = KeyFile(tmp_path / "keys.json").add("ward")
    port = free_port()
    made = server(tmp_path)
    script = textwrap.dedent(f"""
        import sys
        from pathlib import Path
        sys.path.insert(0, {str(Path.cwd())!r})
        import serving.vllm.start
        from serving.vllm.server import Server
        serving.vllm.start.prepared = lambda *_, **__: Server(
            "127.0.0.1", {made.port}, "osler", {made.command!r}, dict(__import__("os").environ), Path({str(tmp_path / "log")!r})
        )
        from pipelines.cli import main
        sys.argv = ["osler", "serve", {str(base_model)!r}, "--gateway", "--port", "{port}", "--keys", {str(tmp_path / "keys.json")!r},
                    "--audit", {str(tmp_path / "audit.jsonl")!r}, "--restarts", "1"]
        main()
    """)
    with (tmp_path / "door.log").open("wb") as log:
        door = subprocess.Popen([sys.executable, "-c", script], stderr=log, stdout=log)
    try:
        until(lambda: door.poll() is not None or healthy("127.0.0.1", port), 40)
        assert door.poll() is None, (tmp_path / "door.log").read_text()
        asking = openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=key, max_retries=0)
        assert ask(asking, "What is asthma?") == ANSWER
        stand_in_of(door.pid).kill()
        until(lambda: starts(tmp_path) == 2 and healthy("127.0.0.1", made.port))
        assert ask(asking, "What is asthma?") == ANSWER
        stand_in_of(door.pid).terminate()
        assert door.wait(20) == 1
        said = (tmp_path / "door.log").read_text()
        assert "given up: vLLM ended 2 times within 10 min" in said.replace("\n", " ")
        assert "killed by SIGTERM" in said
        assert alive(tmp_path) == []
    finally:
        door.kill()

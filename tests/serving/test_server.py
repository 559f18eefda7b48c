"""A real vLLM: both LangChain classes, streaming, and what a user is told when it cannot start."""

import shutil
import socket
from pathlib import Path

import psutil
import pytest

from serving.addresses import ServerError, at, free_port, port_in_use
from serving.clients import chat_model, completion_model, messages, remember, stream_answer
from serving.vllm.options import command, on_every_gpu
from serving.vllm.sampling import sample
from serving.vllm.server import _TAIL_BYTES, Server
from serving.vllm.start import serving


@pytest.fixture(scope="module")
def server(base_model: Path):
    with serving(base_model, flags={"max-model-len": 512, "seed": 1}) as running:
        family = [psutil.Process(running.process.pid), *psutil.Process(running.process.pid).children(recursive=True)]
        assert len(family) > 1
        yield running
    # Nothing of it is left after the block.
    assert not [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


def test_the_completion_class_continues_a_text(server: Server):
    model = completion_model(server.url, max_tokens=12)
    text = model.invoke("The old man")
    assert text.strip()
    assert "".join(model.stream("The old man")) == text


def test_the_chat_class_answers_and_streams(server: Server):
    model = chat_model(server.url, max_tokens=12)
    answer = model.invoke(messages("What is rain?"))
    assert isinstance(answer.content, str)
    assert "".join(stream_answer(model, "What is rain?")) == answer.content
    assert answer.response_metadata["token_usage"]["completion_tokens"] <= 12


def test_samples_come_in_the_order_of_the_prompts(server: Server):
    prompts = ["One two three four five six", "The king and the queen", "In the city of London"]
    drawn = sample(server, prompts, n=2, max_tokens=6, temperature=1.0, at_once=4)
    assert [len(one) for one in drawn] == [2, 2, 2]
    greedy = sample(server, prompts, n=1, max_tokens=6, temperature=0.0, at_once=2)
    for prompt, one in zip(prompts, greedy, strict=True):
        assert one[0].text == completion_model(server.url, max_tokens=6).invoke(prompt)


def test_a_refused_request_is_explained(server: Server):
    with pytest.raises(ServerError, match="refused a request"):
        sample(server, ["word " * 2000], n=1, max_tokens=6, temperature=1.0)


def test_its_memory_is_measured(server: Server):
    assert 0.1 < server.peak_memory_gib < 6


def test_several_workers_are_not_put_in_one_process():
    assert "uni" not in command("m", "127.0.0.1", 1, {"tensor-parallel-size": 2})


def test_a_host_that_there_is_not_is_named():
    with pytest.raises(ServerError, match=r"nohost\.invalid: no such address here"):
        port_in_use("nohost.invalid", 8000)


def test_addresses_of_ipv6_are_reached():
    assert at("::1", 8000) == "http://[::1]:8000"
    assert at("127.0.0.1", 8000) == "http://127.0.0.1:8000"
    try:
        listening = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with listening:
        port = listening.getsockname()[1]
        assert port_in_use("::1", port)
        assert not port_in_use("127.0.0.1", port)
    assert not port_in_use("::1", port)


def test_a_port_in_use_is_named(base_model: Path):
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        with pytest.raises(ServerError, match=f"port {port} .* is in use"), serving(base_model, port=port):
            pass


def test_a_folder_without_a_model_is_named(tmp_path: Path):
    with pytest.raises(ServerError, match="no model here"), serving(tmp_path):
        pass


def test_a_start_shows_the_last_line_of_its_log_and_reads_no_more_than_the_end(tmp_path: Path):
    log = tmp_path / "vllm.log"
    before = b"of a start before\n"
    log.write_bytes(
        before
        + b"(APIServer pid=7) INFO 11-27 14:00:00 [a.py:1] a line\n" * 50_000
        + b"Loading: 1/3\rLoading: 2/3\r \n"
    )
    server = Server("127.0.0.1", 1, "osler", [], {}, log)
    server._log_start = len(before)
    assert server._doing() == "(Loading: 2/3)"
    assert len(server._said(_TAIL_BYTES)) == _TAIL_BYTES
    server._log_start = log.stat().st_size
    assert server._doing() == ""  # nothing of the start before


def test_too_little_memory_is_said_before_the_start(base_model: Path, monkeypatch: pytest.MonkeyPatch):
    import serving.vllm.start

    monkeypatch.setattr(serving.vllm.start, "LEAST_MEMORY_GIB", 1e6)
    with pytest.raises(ServerError, match="close other programs"), serving.vllm.start.serving(base_model):
        pass


@pytest.mark.long
def test_a_vllm_that_dies_at_start_gives_its_reason(base_model: Path, tmp_path: Path):
    broken = tmp_path / "broken"
    shutil.copytree(base_model, broken)
    (broken / "config.json").write_text('{"model_type": "no-such-model", "architectures": ["NoSuchModel"]}')
    with pytest.raises(ServerError, match=r"exit code [1-9].*(?s:.*)no-such-model"), serving(broken):
        pass


def test_flags_reach_vllm_as_they_are():
    words = command("m", "127.0.0.1", 1, {"max-model-len": 9, "enable-lora": True, "quantization": None})
    assert words[words.index("--max-model-len") + 1] == "9"
    assert "--enable-lora" in words
    assert "--quantization" not in words


def test_history_is_bounded():
    history = []
    for turn in range(5):
        history = remember(history, f"q{turn}", f"a{turn}", turns=2)
    assert [message.content for message in history] == ["q3", "a3", "q4", "a4"]


def test_a_free_port_is_free():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", free_port()))


@pytest.mark.parametrize(
    ("gpus", "flags", "copies"),
    [
        (0, {}, None),
        (1, {}, None),
        (8, {}, 8),
        (8, {"tensor-parallel-size": 4}, 2),
        (8, {"tensor-parallel-size": 4, "pipeline-parallel-size": 2}, None),
        (8, {"data-parallel-size": 3}, 3),
    ],
)
def test_sampling_uses_every_gpu(monkeypatch: pytest.MonkeyPatch, gpus: int, flags: dict[str, int], copies: int | None):
    monkeypatch.setattr("serving.vllm.options.gpus", lambda: gpus)
    assert on_every_gpu(flags) == {**flags, **({"data-parallel-size": copies} if copies else {})}

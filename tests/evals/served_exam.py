"""An exam of ten items that a server in this process answers as a test says."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from evals.engines.openai import OpenAIEngine
from evals.exam.source import Source
from evals.exam.task_files import load_task
from evals.run import Options
from pipelines.examiner import examine_tasks
from tests.evals.one_model_server import OneModel

KEYS = [0, 1, 1, 2, 3, 3, 3, 0, 2, 1]  # of the file's items; A is right in 2 of 10
Say = Callable[[dict[str, Any], int, str], tuple[int, bytes] | tuple[int, bytes, dict[str, str]]]


def chat(text: str | None) -> tuple[int, bytes]:
    return 200, json.dumps({"choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]}).encode()


def echoed(asked: dict[str, Any], value: float) -> tuple[int, bytes]:
    prompt = asked["prompt"]
    shown = {"tokens": [prompt[:-2], prompt[-2:], "!"], "token_logprobs": [None, value, -1.0]}
    return 200, json.dumps({"choices": [{"index": 0, "text": prompt, "logprobs": shown}]}).encode()


def case_of(text: str) -> int | None:
    """The number of the item that is asked; None where it is none of the ten."""
    found = re.findall(r"Case (\d+):", text)
    return int(found[-1]) if found else None


@contextmanager
def served(say: Say) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A server whose ``say`` gets each request, its number from 1, and the letter of the right option.

    Yields its address, and the requests that it has seen, each with the ``Authorization`` that came with it.
    """
    seen: list[dict[str, Any]] = []
    lock = threading.Lock()

    class Handler(OneModel):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                seen.append({**asked, "Authorization": self.headers["Authorization"]})
                number = len(seen)
            text = asked["messages"][-1]["content"] if "messages" in asked else asked["prompt"]
            case = case_of(text)
            status, body, *headers = say(asked, number, "ABCD"[KEYS[case]] if case is not None else "")
            self.answer(body, status, *headers)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", seen
    finally:
        server.shutdown()
        server.server_close()


def file_of(tmp_path: Path) -> Path:
    """The ten items."""
    rows = [
        {"question": f"Case {n}: what is given?", "options": ["w", "x", "y", "z"], "answer": key}
        for n, key in enumerate(KEYS)
    ]
    path = tmp_path / "own.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def exam(
    tmp_path: Path, url: str, out: str = "out", chatted: bool = True, task: str = "medqa", **server: Any
) -> tuple[dict[str, Any], list[str]]:
    """The result of the ten items, and what was told on the way."""
    told: list[str] = []
    options = Options(chat=chatted, scoring="generative" if chatted else None)
    engine = OpenAIEngine(url, "m", **{"concurrency": 2, "max_retries": 0, **server})
    source = Source(file=file_of(tmp_path))
    found = examine_tasks(engine, [load_task(task)], source, options, tmp_path / out, suite=None, told=told.append)
    return found["tasks"][task], told

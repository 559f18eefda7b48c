"""A process that stands in for vLLM: health, a list of models, one answer, and a child that stands in for its engine.

``python dying_server.py PORT FOLDER [how]`` writes its child's id into FOLDER/engines and adds a line to FOLDER/starts. ``how`` is what
it does: ``serve``; ``once``, which serves the first time and dies at each later start; ``hang``, which serves the first time and is then silent; ``deaf``, which loads for ever and hears no signal.
"""

import json
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

port, folder, how = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
with (folder / "starts").open("a") as stream:
    stream.write("start\n")
first = (folder / "starts").read_text().count("start") == 1
engine = subprocess.Popen(["sleep", "600"])
with (folder / "engines").open("a") as stream:
    stream.write(f"{engine.pid}\n")
if how == "once" and not first:
    print("RuntimeError: torch.OutOfMemoryError: CUDA out of memory", flush=True)
    sys.exit(3)
if how == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("(Engine pid=7) INFO 11-27 11:02:30 [loader.py:12] Loading the weights", flush=True)
    time.sleep(600)
born = time.monotonic()


class Handler(BaseHTTPRequestHandler):
    def answer(self, body: dict[str, object]) -> None:
        if how == "hang" and first and time.monotonic() - born > 0.5:
            time.sleep(600)
        text = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self) -> None:
        self.answer({"data": [{"id": "osler", "object": "model", "max_model_len": 4096}]})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        message = {"role": "assistant", "content": "Asthma narrows the airways."}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        self.answer(
            {"id": "x", "object": "chat.completion", "created": 1, "model": "osler", "choices": choices, "usage": usage}
        )

    def log_message(self, *_: object) -> None:
        pass


ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()

"""A teacher with a script, behind a real socket: it answers, errs, stalls, hangs up, and remembers what it was asked."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Asked:
    at: float
    prompt: str
    seed: int
    body: dict


@dataclass
class Say:
    """What the endpoint does with a request; a plain string is ``Say(text=…)``."""

    text: str = ""
    status: int = 200
    headers: dict = field(default_factory=dict)
    finish: str = "stop"
    stall: float = 0.0  # seconds before it answers
    raw: bytes | None = None  # this body in place of a right one
    hang_up: bool = False  # half of the answer, and the connection is cut


Script = Callable[[Asked, int], Say | str]  # the request, and how many with its prompt came before


@dataclass
class Endpoint:
    script: Script
    url: str = ""
    key: str | None = None
    asked: list[Asked] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def prompts(self) -> list[str]:
        return [one.prompt for one in self.asked]


@contextmanager
def endpoint(script: Script, key: str | None = None) -> Iterator[Endpoint]:
    teacher = Endpoint(script, key=key)
    stopping = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_GET(self):
            self.send_response(404)  # it lists no models
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked = Asked(time.monotonic(), body["messages"][0]["content"], body.get("seed", -1), body)
            with teacher.lock:
                before = sum(one.prompt == asked.prompt for one in teacher.asked)
                teacher.asked.append(asked)
            sent = self.headers.get("Authorization", "").removeprefix("Bearer ")
            if teacher.key is not None and sent != teacher.key:
                said = Say(status=401, raw=json.dumps({"error": {"message": f"no such key: {sent}"}}).encode())
            else:
                said = teacher.script(asked, before)
            if isinstance(said, str):
                said = Say(said)
            stopping.wait(said.stall)
            answer = said.raw
            if answer is None and said.status == 200:
                answer = json.dumps(
                    {
                        "id": "1",
                        "object": "chat.completion",
                        "created": 0,
                        "model": body["model"],
                        "choices": [
                            {
                                "index": 0,
                                "finish_reason": said.finish,
                                "message": {"role": "assistant", "content": said.text},
                            }
                        ],
                        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
                    }
                ).encode()
            answer = answer if answer is not None else b'{"error": {"message": "as the script says"}}'
            try:
                self.send_response(said.status)
                for name, value in {"Content-Type": "application/json", **said.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer[: len(answer) // 2] if said.hang_up else answer)
                if said.hang_up:
                    self.wfile.flush()
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
            except OSError:
                self.close_connection = True  # the client has gone

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_):
            pass  # a client that has gone

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    teacher.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield teacher
    finally:
        stopping.set()
        server.shutdown()
        server.server_close()

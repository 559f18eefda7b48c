"""A server of OpenAI's protocol with one model, "m"; what it answers a POST is each test's own."""

import json
from http.server import BaseHTTPRequestHandler


class OneModel(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def answer(self, value: object, status: int = 200, headers: dict[str, str] | None = None) -> None:
        """Sends the bytes, or anything else as JSON."""
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.answer({"object": "list", "data": [{"id": "m", "object": "model", "created": 0, "owned_by": "x"}]})

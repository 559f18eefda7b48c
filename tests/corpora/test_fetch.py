"""Datasets fetched from servers that speak the hub's and ModelScope's protocols, and that fail as real ones do."""

import hashlib
import json
import re
import socket
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from corpora.catalog import Dataset, locate, stream_records
from corpora.errors import DataError
from corpora.fetch import fetch, fetched
from corpora.hubs.origin import Origin
from corpora.hubs.retrying import Unreachable

BIG = "\n".join(json.dumps({"text": f"Document {n}. " + "word " * 300}) for n in range(2000)).encode()  # 3 MB
FILES = {"README.md": b"# notes", "data/part-0.jsonl": BIG, "data/part-1.jsonl": b'{"text": "The last one."}\n', "extra/other.csv": b"a,b\n1,2\n"}  # fmt: skip
COMMIT = "a" * 40


class StandIn(BaseHTTPRequestHandler):
    """Both protocols; the server's ``faults`` say what goes wrong, and ``seen`` counts what was asked."""

    def log_message(self, *_):
        pass

    def _fault(self, kind: str) -> bool:
        if self.server.faults[kind] > 0:
            self.server.faults[kind] -= 1
            return True
        return False

    def _json(self, value, code=200):
        body = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        if self._fault("slow"):
            time.sleep(1)
        if self._fault("busy"):
            return self._json({"error": "busy"}, 503)
        url, files = urlsplit(self.path), self.server.files
        query = {key: values[0] for key, values in parse_qs(url.query, keep_blank_values=True).items()}
        parts = unquote(url.path).strip("/").split("/")
        self.server.seen[parts[0] if parts[0] != "api" else "/".join(parts[:2]), self.command] += 1
        if re.match("/api/(datasets|models)/osler/small/tree/", url.path):
            return self._json([self._hub_entry(path, data) for path, data in files.items()])
        if re.match("/api/models/osler/small/revision/", url.path):  # asked before a snapshot is fetched
            return self._json({"id": "osler/small", "sha": COMMIT, "siblings": [{"rfilename": path} for path in files]})
        if re.match("(/datasets)?/osler/small/resolve/", url.path):
            return self._send("/".join(parts[parts.index("resolve") + 2 :]), hub=True)
        if re.fullmatch("/api/v1/(datasets/osler/small/repo/tree|models/osler/small/repo/files)", url.path):
            return self._json({"Code": 200, "Data": {"Files": self._modelscope_entries(query["Root"])}})
        if re.fullmatch("/api/v1/(datasets|models)/osler/small/repo", url.path):
            return self._send(query["FilePath"], hub=False)
        return self._json({"error": "Repository not found"}, 404)

    def _digest(self, data: bytes) -> str:
        return "0" * 64 if self.server.lies else hashlib.sha256(data).hexdigest()

    def _hub_entry(self, path, data):
        pointer = {"oid": self._digest(data), "size": len(data), "pointerSize": 130}
        entry = {"type": "file", "oid": hashlib.sha1(data).hexdigest(), "size": len(data), "path": path}
        return {**entry, "lfs": pointer} if path.startswith("data/") else entry

    def _modelscope_entries(self, root):
        found = {}
        for path, data in self.server.files.items():
            if not path.startswith(f"{root}/" if root else ""):
                continue
            rest = path[len(root) + 1 if root else 0 :]
            if "/" in rest:
                folder = f"{root}/{rest.split('/')[0]}".strip("/")
                found[folder] = {"Path": folder, "Type": "tree", "Size": 0}
            else:
                found[path] = {"Path": path, "Type": "blob", "Size": len(data), "Sha256": self._digest(data)}
        return list(found.values())

    def _send(self, path: str, hub: bool):
        data = self.server.files[path]
        if self.command == "GET":
            self.server.sent.append(path)
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").split("-")[0])
        self.send_response(206 if start else 200)
        self.server.starts.append(start)
        if hub:
            self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        if self.command == "HEAD":
            return
        if len(data) > 10_000 and self._fault("cut"):
            self.wfile.write(data[start : start + len(data) // 3])
            self.wfile.flush()
            self.connection.close()
            return
        self.wfile.write(data[start:])


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("OSLER_RETRY_SECONDS", "0.02")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(
        "huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 100_000
    )  # what is less than a chunk is not kept
    made = ThreadingHTTPServer(("127.0.0.1", 0), StandIn)
    made.faults, made.seen, made.starts, made.sent, made.files, made.lies = (
        Counter(),
        Counter(),
        [],
        [],
        dict(FILES),
        False,
    )
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()


def _origin(server, name: str) -> Origin:
    return Origin(name, "osler/small", COMMIT if name == "hub" else "master", f"http://127.0.0.1:{server.server_port}")


PATTERNS = ["data/*.jsonl"]


@pytest.mark.parametrize("name", ["hub", "modelscope"])
def test_the_files_arrive_whole_and_a_second_time_nothing_is_fetched(server, tmp_path: Path, name: str):
    paths = fetch("small", _origin(server, name), PATTERNS, tmp_path)
    assert [path.read_bytes() for path in paths] == [BIG, FILES["data/part-1.jsonl"]]
    record = fetched(tmp_path / "small")
    assert record is not None
    assert record["origin"] == name
    assert record["files"]["data/part-0.jsonl"] == hashlib.sha256(BIG).hexdigest()
    asked = len(server.starts)
    assert fetch("small", _origin(server, name), PATTERNS, tmp_path) == paths
    assert len(server.starts) == asked


@pytest.mark.parametrize("name", ["hub", "modelscope"])
def test_a_busy_server_and_cut_connections_are_tried_again_from_where_they_stopped(server, tmp_path: Path, name: str):
    server.faults.update(busy=2, cut=2)
    paths = fetch("small", _origin(server, name), PATTERNS, tmp_path)
    assert paths[0].read_bytes() == BIG
    assert max(server.starts) >= len(BIG) // 3  # it went on, and did not begin again


@pytest.mark.parametrize("name", ["hub", "modelscope"])
def test_bytes_that_are_not_the_promised_ones_are_not_kept(server, tmp_path: Path, name: str):
    server.lies = True
    with pytest.raises(DataError, match="not the bytes that"):
        fetch("small", _origin(server, name), PATTERNS, tmp_path)
    assert not (tmp_path / "small" / "data" / "part-0.jsonl").exists()


def test_a_server_that_stays_busy_is_given_up_with_a_sentence(server, tmp_path: Path):
    server.faults.update(busy=1000)
    with pytest.raises(DataError, match=r"answers 503; tried 6 times\. Try again later"):
        fetch("small", _origin(server, "modelscope"), PATTERNS, tmp_path)


@pytest.mark.parametrize("name", ["hub", "modelscope"])
def test_what_is_not_there_is_said(server, tmp_path: Path, name: str):
    with pytest.raises(DataError, match=r"no such dataset"):
        fetch("x", Origin(name, "osler/none", "main", _origin(server, name).endpoint), [], tmp_path)
    with pytest.raises(DataError, match=r"has no file like \*\.parquet; it has: .*data/part-0\.jsonl"):
        fetch("x", _origin(server, name), ["*.parquet"], tmp_path)


@pytest.mark.parametrize("name", ["hub", "modelscope"])
def test_a_listing_cannot_lead_out_of_the_folder(server, tmp_path: Path, name: str):
    server.files["data/../../../evil.jsonl"] = b"{}"
    with pytest.raises(DataError, match=r"leads out of its folder; not fetched"):
        fetch("small", _origin(server, name), PATTERNS, tmp_path / "a" / "b")
    assert list(tmp_path.rglob("*.jsonl")) == []


def test_a_damaged_record_of_what_was_fetched_is_named(tmp_path: Path):
    (tmp_path / ".osler.json").write_text('{"files": {')
    with pytest.raises(DataError, match=r"\.osler\.json: damaged .* fetch the files again"):
        fetched(tmp_path)


def test_a_fetched_dataset_and_one_put_there_by_hand_are_read(server, tmp_path: Path, monkeypatch):
    entry = Dataset(
        kind="pretraining",
        title="t",
        about="a",
        address="https://x",
        licence="MIT",
        language=["en"],
        adapter="text",
        read=PATTERNS,
    )
    monkeypatch.setattr("corpora.catalog.load_catalog", lambda: {"small": entry})
    with pytest.raises(DataError, match="osler corpora fetch small"):
        locate("small", tmp_path)
    fetch("small", _origin(server, "hub"), PATTERNS, tmp_path)
    assert len(list(stream_records("small", tmp_path))) == 2001
    (tmp_path / "small" / "data" / "part-1.jsonl").write_text('{"text": "Another."}')
    with pytest.raises(DataError, match="SHA-256 differs"):
        locate("small", tmp_path)
    by_hand = tmp_path / "mirror" / "small" / "data"
    by_hand.mkdir(parents=True)
    (by_hand / "part-9.jsonl").write_text('{"text": "By hand."}')
    (by_hand / "notes.txt").write_text("not data")
    assert [record.text for record in stream_records("small", tmp_path / "mirror")] == ["By hand."]


class Silent:
    """An address that takes no connection: its queue of them is full, and nobody empties it."""

    def __enter__(self) -> int:
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=0)
        port = self.listening.getsockname()[1]
        self.waiting = [socket.socket() for _ in range(4)]
        for one in self.waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        return int(port)

    def __exit__(self, *_: object) -> None:
        for one in (*self.waiting, self.listening):
            one.close()


def origin_at(name: str, address: str) -> Origin:
    return Origin(name, "osler/small", COMMIT if name == "hub" else "master", address)


@pytest.mark.parametrize("name", ["hub", "modelscope"])
@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "http://no-such-host.invalid"])
def test_a_hub_that_cannot_be_reached_is_told_within_seconds(tmp_path: Path, name: str, address: str, server):
    started = time.perf_counter()
    with pytest.raises(Unreachable, match=rf"{address} cannot be reached \(.*; tried .*\)"):
        fetch("small", origin_at(name, address), PATTERNS, tmp_path)
    assert time.perf_counter() - started < 20


@pytest.mark.parametrize("name", ["hub", "modelscope"])
def test_a_hub_that_takes_no_connection_is_asked_once(tmp_path: Path, name: str, server, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_ETAG_TIMEOUT", 4)
    monkeypatch.setattr("corpora.hubs.modelscope.CONNECT_SECONDS", 4)
    with Silent() as port, pytest.raises(Unreachable, match=r"cannot be reached .*; tried once"):
        fetch("small", origin_at(name, f"http://127.0.0.1:{port}"), PATTERNS, tmp_path)


@pytest.mark.parametrize("name", ["hub", "modelscope"])
def test_a_hub_that_is_slow_to_answer_is_waited_for(tmp_path: Path, name: str, server, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_ETAG_TIMEOUT", 0.5)
    monkeypatch.setattr("corpora.hubs.modelscope.CONNECT_SECONDS", 0.5)
    server.faults["slow"] = 1
    assert fetch("small", _origin(server, name), PATTERNS, tmp_path)[0].read_bytes() == BIG
    assert not server.faults["slow"]

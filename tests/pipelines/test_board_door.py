"""Who may use the board: this machine's user, or who has the key; and what it lets through."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from corpora.errors import OslerError
from pipelines.board import corpora
from pipelines.board.app import KEY_VARIABLE, check_before_start, read_key, web
from pipelines.board.places import Places
from pipelines.cli import app
from serving.addresses import free_port

KEY = "0123456789abcdef0123"


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
    return Places(tmp_path_factory.mktemp("door") / "runs")


@pytest.fixture(scope="module")
def mine(places: Places) -> TestClient:
    return TestClient(web(places), base_url="http://127.0.0.1:7870")


@pytest.fixture(scope="module")
def theirs(places: Places) -> TestClient:
    return TestClient(web(places, "0.0.0.0", KEY), base_url="http://example.org")


def test_both_languages_are_there_and_nothing_is_asked_of_others(mine: TestClient):
    for path, word in (("/", "Osler board"), ("/zh/", "Osler 工作台")):
        page = mine.get(path)
        assert page.status_code == 200
        assert "connect-src 'self'" in page.headers["content-security-policy"]
        config = mine.get(f"{path}config").json()
        assert config["title"] == word
        assert config["analytics_enabled"] is False
        # What a program could call is for the page alone.
        assert all(one["api_visibility"] == "private" for one in config["dependencies"])


def test_another_name_for_this_machine_and_another_sites_page_are_refused(mine: TestClient):
    assert mine.get("/", headers={"host": "evil.example"}).status_code == 400  # a name that was made to lead here
    asked = {"origin": "http://evil.example"}
    assert mine.post("/gradio_api/queue/join", json={}, headers=asked).status_code == 403
    assert mine.post("/gradio_api/upload", files={"files": b"x"}, headers=asked).status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=../../../../etc/passwd",
        "/gradio_api/file=README.md",
        "/monitoring/x",
        "/docs",
        "/gradio_api/openapi.json",
        "/gradio_api/proxy=http://example.org/",
        "/static/../../../etc/passwd",
    ],
)
def test_files_and_doors_that_the_page_does_not_need_are_closed(mine: TestClient, path: str):
    answer = mine.get(path)
    assert answer.status_code in (403, 404), answer.text[:200]
    assert "root:" not in answer.text


def test_a_key_is_needed_elsewhere(theirs: TestClient):
    for path in ("/config", "/gradio_api/file=/etc/passwd", "/gradio_api/queue/data?session_hash=x"):
        assert theirs.get(path).status_code == 401, path
    assert theirs.post("/gradio_api/upload", files={"files": b"x"}).status_code == 401
    assert theirs.post("/gradio_api/queue/join", json={"fn_index": 0, "data": []}).status_code == 401
    assert theirs.post("/login", data={"username": "osler", "password": "wrong"}).status_code == 400
    assert theirs.post("/login", data={"username": "osler", "password": KEY}).status_code == 200
    assert theirs.get("/config").status_code == 200


def test_another_host_without_a_key_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    run = CliRunner().invoke(app, ["board", "--host", "0.0.0.0"])
    assert isinstance(run.exception, OslerError)
    assert "--key-file" in str(run.exception)
    assert read_key(None) is None
    short = tmp_path / "key"
    short.write_text("short\n")
    with pytest.raises(OslerError, match="16 letters"):
        read_key(short)
    with pytest.raises(OslerError, match="no key can be read"):
        read_key(tmp_path / "none")
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    assert read_key(None) == KEY
    check_before_start("0.0.0.0", free_port(), KEY)


def test_a_file_with_bad_rows_is_kept_without_them(places: Places, tmp_path: Path):
    path = tmp_path / "FAQ 问诊.jsonl"
    rows = [{"question": f"What is {n}?", "answer": f"It is {n}."} for n in range(5)]
    path.write_text(
        "\n".join([*map(json.dumps, rows), '{"question": "x"', json.dumps({"question": "y", "answer": ""})])
    )
    seen = corpora.bring(path, places)
    assert (seen.record, seen.kept, seen.dropped) == ("dialogue", 5, 2)
    assert [fault["place"] for fault in seen.faults] == ["row 6", "row 7"]
    assert seen.name in places.files()
    assert corpora.look(seen.name, places).record == "dialogue"
    assert corpora.bring(path, places).name == seen.name
    # Another file of the same name does not change what a run has read.
    path.write_text("\n".join(map(json.dumps, rows[:3])))
    assert corpora.bring(path, places).name != seen.name


@pytest.mark.parametrize("content", [b"", b'{"a": 1}\n', b"PAR1\x00", b"PK\x03\x04\x00"])
def test_a_file_that_is_no_corpus_is_refused_with_its_name(places: Places, tmp_path: Path, content: bytes):
    path = tmp_path / "odd.jsonl"
    path.write_bytes(content)
    before = sorted((places.runs / ".files").glob("*"))
    with pytest.raises(OslerError, match=r"odd\.jsonl") as told:
        corpora.bring(path, places)
    assert str(tmp_path) not in str(told.value)
    assert sorted((places.runs / ".files").glob("*")) == before


def test_a_corpus_that_is_not_offered_cannot_be_looked_at(places: Places):
    for name in ("/etc/passwd", "../x.jsonl", "pyproject.toml"):
        with pytest.raises(OslerError, match="no corpus is called"):
            corpora.look(name, places)

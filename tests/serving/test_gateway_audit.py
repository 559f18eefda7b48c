"""The audit's chain, the keys' file, and their commands."""

from __future__ import annotations

import json
import os
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from corpora.errors import DataError, OslerError
from pipelines.cli import app
from serving.gateway.audit import Audit, verify
from serving.gateway.keys import KeyFile
from serving.gateway.weights import hashed
from tests.serving.gateway_world import World, world


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "audit.jsonl"
    audit = Audit(path)
    for at in range(5):
        audit.append({"key": "ward", "at": at})
    audit.close()
    return path


def test_it_goes_on_after_a_restart(written: Path):
    audit = Audit(written)
    audit.append({"key": "ward"})
    audit.close()
    assert verify(written).count == 6


@pytest.mark.parametrize("change", ["edit", "drop", "swap", "double", "cut", "half", "first", "last", "all", "empty"])
def test_every_tampering_is_seen(written: Path, change: str):
    lines = written.read_text().splitlines(keepends=True)
    made = {
        "edit": [*lines[:2], lines[2].replace("ward", "hall"), *lines[3:]],
        "drop": [*lines[:2], *lines[3:]],
        "swap": [lines[1], lines[0], *lines[2:]],
        "double": [*lines[:3], lines[2], *lines[3:]],
        "cut": lines[:4],
        "half": [*lines[:4], lines[4][:20]],
        "first": lines[1:],
        "last": [*lines[:4], lines[4].replace('"at":4', '"at":5')],
        "all": ["{}\n"],
        "empty": [],
    }[change]
    written.write_text("".join(made))
    with pytest.raises(DataError):
        verify(written)
    with pytest.raises(OslerError):
        Audit(written)  # a gateway does not write on


def test_a_chain_that_was_set_back_whole_is_seen_by_a_head_kept_elsewhere(written: Path):
    kept = verify(written).mac
    head = written.with_name("audit.jsonl.head")
    lines = written.read_text().splitlines(keepends=True)
    written.write_text("".join(lines[:3]))
    head.write_text(f"3 {json.loads(lines[2])['mac']}\n")
    assert verify(written).count == 3  # nothing here tells
    with pytest.raises(DataError, match="not in the chain"):
        verify(written, kept)


def test_a_line_cannot_be_made_without_the_secret(written: Path):
    written.with_name("audit.jsonl.key").write_text("00" * 32)
    with pytest.raises(DataError, match="line 1"):
        verify(written)


@pytest.mark.parametrize("secret", ["", "00", "no"])
def test_a_secret_that_is_cut_off_is_none(tmp_path: Path, secret: str):
    path = tmp_path / "audit.jsonl"
    path.with_name("audit.jsonl.key").write_text(secret)  # as when the machine stopped while it was written
    with pytest.raises(DataError, match="not an audit's secret"):
        Audit(path)


def test_a_door_that_dies_while_the_secret_is_written_can_be_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "audit.jsonl"
    with monkeypatch.context() as dies, pytest.raises(KeyboardInterrupt):
        dies.setattr("secrets.token_hex", lambda _: (_ for _ in ()).throw(KeyboardInterrupt()))
        Audit(path)
    audit = Audit(path)
    audit.append({"answer": "one"})
    audit.close()
    assert verify(path).count == 1
    assert path.with_name("audit.jsonl.key").stat().st_mode & 0o777 == 0o600
    assert {one.name for one in tmp_path.iterdir()} == {"audit.jsonl", "audit.jsonl.key", "audit.jsonl.head"}


def test_a_second_writer_is_refused(written: Path):
    audit = Audit(written)
    with pytest.raises(DataError, match="another gateway"):
        Audit(written)
    audit.close()


def test_half_a_line_is_taken_back(written: Path, monkeypatch: pytest.MonkeyPatch):
    audit, write = Audit(written), os.write
    monkeypatch.setattr(os, "write", lambda file, line: write(file, line[: len(line) // 2]))
    with pytest.raises(DataError, match="could not be written in full"):
        audit.append({"key": "ward"})
    monkeypatch.undo()
    audit.append({"key": "ward"})
    audit.close()
    assert verify(written).count == 6


def test_a_head_that_is_none_is_told(written: Path):
    for text in ("5", "² x", "caf\u00e9 x"):
        written.with_name("audit.jsonl.head").write_text(text, encoding="utf-8")
        with pytest.raises(DataError, match="tampered with"):
            verify(written)


def test_commands_at_once_lose_no_key_and_no_revocation(tmp_path: Path):
    keys = tmp_path / "keys.json"
    KeyFile(keys).add("first")
    with ThreadPoolExecutor(8) as pool:
        made = [pool.submit(KeyFile(keys).add, f"key-{number}") for number in range(24)]
        made.insert(12, pool.submit(KeyFile(keys).revoke, "first"))
        for one in made:
            one.result()
    found = KeyFile(keys).read()
    assert len(found) == 25
    assert [one.name for one in found if one.revoked is not None] == ["first"]


def test_the_commands(written: Path, tmp_path: Path):
    run = CliRunner().invoke
    keys = ["--keys", str(tmp_path / "keys.json")]
    made = run(app, ["keys", "add", "ward", "--requests-per-minute", "5", *keys])
    secret = made.stdout.strip()
    assert secret.startswith("osler-")
    assert len(secret) == 6 + 43  # 256 bits
    assert KeyFile(tmp_path / "keys.json").find(secret).name == "ward"
    assert stat.S_IMODE((tmp_path / "keys.json").stat().st_mode) == 0o600
    assert isinstance(run(app, ["keys", "add", "ward", *keys]).exception, OslerError)
    assert isinstance(run(app, ["keys", "add", "a b", *keys]).exception, OslerError)
    assert run(app, ["keys", "revoke", "ward", *keys]).exit_code == 0
    assert KeyFile(tmp_path / "keys.json").find(secret) is None
    listed = json.loads(run(app, ["keys", "list", "--json", *keys]).stdout)
    assert listed[0]["name"] == "ward"
    assert listed[0]["revoked"]
    assert "sha256" not in listed[0]
    checked = run(app, ["audit", "verify", "--audit", str(written)])
    assert "5 lines" in checked.stdout
    written.write_text("")
    assert isinstance(run(app, ["audit", "verify", "--audit", str(written)]).exception, OslerError)
    no_keys = run(app, ["gateway", "--upstream", "http://127.0.0.1:1", *keys, "--audit", str(written)])
    assert "no key works" in str(no_keys.exception)
    assert run(app, ["keys", "add", "page", "--no-tools", *keys]).exit_code == 0
    listed = json.loads(run(app, ["keys", "list", "--json", *keys]).stdout)
    assert [entry["tools"] for entry in listed] == [True, False]
    assert "left out" in run(app, ["keys", "list", *keys]).stdout


def test_a_spoilt_file_of_keys_is_told(tmp_path: Path):
    path = tmp_path / "keys.json"
    path.write_text('{"keys": [{"name": "x"}]}')
    with pytest.raises(DataError, match="not a file of keys"):
        KeyFile(path).read()


def test_a_file_of_keys_that_is_spoilt_meanwhile_shuts_nobody_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("serving.gateway.keys.LOOK_AGAIN", 0.0)
    path = tmp_path / "keys.json"
    secret = KeyFile(path).add("ward")
    door = KeyFile(path)
    assert door.find(secret) is not None
    whole = path.read_bytes()
    for spoilt in (b'{"keys": [', b"\xff\xfe", b""):
        path.write_bytes(spoilt)
        assert door.find(secret) is not None
        with pytest.raises(DataError, match="file of keys"):
            KeyFile(path).find(secret)  # a door that opens now says so
    path.write_bytes(whole)
    KeyFile(path).revoke("ward")
    assert door.find(secret) is None


def test_the_first_answer_of_a_vllm_that_was_started_anew_has_its_own_weights_in_the_audit(tmp_path: Path):
    """After hours without a request the list is old; the first record after them named the weights of before."""
    with world(tmp_path, roots=("/of/yesterday", "/a")) as door:
        door.ask("Hi")
        door.model.roots = ("/of/today", "/a")
        door.gateway.upstream.listing._listed_at = -1000.0
        door.ask("Hi")
        assert [one["weights"] for one in door.records()] == ["/of/yesterday", "/of/today"]


def folders_of(tmp_path: Path) -> tuple[Path, Path]:
    folders = tmp_path / "model", tmp_path / "adapter"
    for folder in folders:
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(b"first")
    return folders


def record_where(door: World, model: str, **wanted: Any) -> dict[str, Any]:
    """The first record that says ``wanted``: folders are read beside the answering."""
    until = time.monotonic() + 10
    while True:
        door.gateway.upstream.listing._listed_at = -1000.0
        door.post(model=model, messages=[{"role": "user", "content": "Hi"}])
        record = door.records()[-1]
        if all(record[name] == value for name, value in wanted.items()):
            return record
        assert time.monotonic() < until, record


def test_the_audit_tells_which_weights_answered(tmp_path: Path):
    folders = folders_of(tmp_path)
    first = hashed(folders[0])
    with world(tmp_path, roots=(str(folders[0]), str(folders[1]))) as door:
        record_where(door, "osler", model_version=first, adapter_version=None, weights_changed=False)
        record_where(door, "cardio", model_version=first, adapter_version=first, weights_changed=False)
        (folders[0] / "model.safetensors").write_bytes(b"other")  # of the same size, under the same name
        record_where(door, "cardio", model_version=None, adapter_version=first, weights_changed=True)
        time.sleep(0.3)  # in which the new files are read
        record_where(door, "cardio", model_version=None, adapter_version=first, weights_changed=True)
        (folders[0] / "model.safetensors").write_bytes(b"first")
        record_where(door, "cardio", model_version=first, adapter_version=first, weights_changed=False)
        (folders[0] / "model.safetensors").unlink()
        verify(door.audit)
    with world(tmp_path / "far") as door:
        door.ask("Hi")
        assert door.records()[-1]["model_version"] is None  # this machine has no such folder
        assert not door.records()[-1]["weights_changed"]


def test_behind_osler_serve_the_version_is_of_what_vllm_loaded_when_it_was_last_started(tmp_path: Path):
    folders = folders_of(tmp_path)
    first, started = hashed(folders[0]), time.time() + 1
    with world(tmp_path, roots=(str(folders[0]), str(folders[1])), started=lambda: started) as door:
        record_where(door, "osler", model_version=first, weights_changed=False)
        (folders[0] / "model.safetensors").write_bytes(b"other")
        record_where(door, "osler", model_version=first, weights_changed=True)
        started = time.time() + 1  # it died, and was started again
        record_where(door, "osler", model_version=hashed(folders[0]), weights_changed=False)
        started = time.time() - 60  # and once more, but the files came after that
        record_where(door, "osler", model_version=None, weights_changed=True)

"""What comes in through a pipe is read in the encoding that it was written in, and every answer can be printed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.cli.texts import decoded

PAIN = "胸口像被石头压着，冒冷汗，左胳膊发麻"


def triaged(given: bytes) -> list[dict[str, Any]]:
    """What `osler triage --json` says of these bytes on its standard input."""
    done = CliRunner().invoke(app, ["triage", "--json"], input=given)
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_an_emergency_is_found_in_whatever_encoding_it_is_written(encoding: str) -> None:
    found = triaged(f"{PAIN}\r\n你好\r\n".encode(encoding))
    assert [one["category"] for one in found] == ["heart-attack", None]


def test_each_kind_of_bytes_is_read_as_it_was_meant() -> None:
    assert decoded("胸痛, chest".encode("gb18030")) == "胸痛, chest"
    assert decoded(b"Dad\x92s face droops") == "Dad\ufffds face droops"  # a Western mark, and no Chinese character
    assert decoded(b"caf\xe9 \xff") == "caf\ufffd \ufffd"
    assert decoded(b"\xff\xff") == "\ufffd\ufffd"
    assert decoded("naïve 胸痛 😀".encode()) == "naïve 胸痛 😀"


def test_a_terminal_that_cannot_show_chinese_is_answered_all_the_same() -> None:
    for words, category in (([], None), (["--json"], "heart-attack")):
        done = subprocess.run(
            [sys.executable, "-m", "pipelines.cli", "triage", PAIN, *words],
            capture_output=True,
            check=False,
            env=os.environ | {"PYTHONIOENCODING": "ascii"},
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        assert b"120" in done.stdout
        assert category is None or json.loads(done.stdout)["category"] == category

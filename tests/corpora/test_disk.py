"""A file is written whole, and what is not ours to replace stays as it is."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from corpora.disk import check_target, writing
from corpora.errors import DataError


def test_a_pipe_is_written_to_and_stays_one(tmp_path: Path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text(encoding="utf-8")))
    reader.start()
    with writing(pipe) as stream:
        stream.write("痛风")
    reader.join(timeout=10)
    assert read == ["痛风"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_of_a_link_the_file_is_written(tmp_path: Path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "file")
    check_target(tmp_path / "link")
    with writing(tmp_path / "link") as stream:
        stream.write("x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "disk" / "file").read_text() == "x"


def test_an_error_names_what_was_named(tmp_path: Path):
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "folder", Path("/proc/1/none")):
        with pytest.raises(OSError, match=str(path)) as found, writing(path):
            pass
        assert found.value.filename == str(path)


def test_a_target_is_looked_at_and_nothing_is_left_of_that(tmp_path: Path):
    own, empty, ours, twin = (tmp_path / name for name in ("own", "empty", "ours", "twin"))
    own.write_text("years of work")
    empty.touch()
    ours.write_text("# written by `osler launch`")
    os.link(own, twin)
    for path in (empty, ours, tmp_path / "new" / "file"):
        check_target(path, [own], mark="written by `osler launch`")
    assert not (tmp_path / "new" / "file").exists()
    for path, read, mark in ((own, [own], None), (twin, [own], None), (own, [], "written by"), (tmp_path, [], None)):
        with pytest.raises(DataError, match=f"{path}: "):
            check_target(path, read, mark)
    assert own.read_text() == "years of work"

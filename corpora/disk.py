"""Files on disk: written whole or not at all, known by their bytes, and held by one process at a time."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from corpora.errors import DataError


def check_file(path: Path) -> None:
    """Raises DataError where there is no file at ``path`` to read."""
    if not path.is_file():
        raise DataError(f"{path}: {'not a file' if path.exists() else 'no such file'}")


def check_target(path: Path, read: Iterable[Path] = (), mark: str | None = None) -> None:
    """Looks whether a file may be written at ``path``, before the work that it takes; what is there already is replaced by it.

    Args:
        path: where the file will be.
        read: files of the same command that it must not replace.
        mark: words that are in every file of its kind that osler writes; a file without them is somebody's own.

    Raises:
        DataError: a folder is there, or a file that would be lost.
        OSError: nothing can be written there.
    """
    if path.is_dir():
        raise DataError(f"{path}: a folder is there; name a file")
    for other in read:
        if os.path.realpath(path) == os.path.realpath(other) or (
            path.exists() and other.exists() and path.samefile(other)
        ):
            raise DataError(
                f"{path}: this command reads or writes it already, and one of the two would be lost; name another file"
            )
    if mark is not None and path.is_file() and path.stat().st_size and not _holds(path, mark):
        raise DataError(
            f"{path}: a file is there that osler did not write, and it would be lost; name another, or remove it yourself"
        )
    if not path.exists() and not path.is_symlink():
        path.parent.mkdir(parents=True, exist_ok=True)
        with writing(path):
            pass
        path.unlink()


def _holds(path: Path, mark: str) -> bool:
    with path.open(encoding="utf-8", errors="replace") as lines:  # line by line: a corpus may be larger than the memory
        return any(mark in line for line in lines)


def remove_marked(folder: Path, mark: str) -> None:
    """Removes a folder, and last the file ``mark``, by which it is known for one that osler made: what an interrupt leaves of it is known still."""
    for path in folder.iterdir():
        if path.name == mark:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    shutil.rmtree(folder)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[IO[str]]:
    """A file that is there whole or not at all; a device or a pipe, as ``/dev/stdout``, is written to as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not path.is_file():  # a device that a file took the place of would be gone for everyone
        with path.open("w", encoding="utf-8") as stream:
            yield stream
        return
    file = Path(os.path.realpath(path))  # of a link the file, and not the link
    partial = file.with_name(f".{file.name}.partial")
    try:
        with partial.open("w", encoding="utf-8") as stream:
            yield stream
        os.replace(partial, file)
    except OSError as error:
        if error.filename == str(partial):
            error.filename = str(path)  # the one that the user knows
        raise
    finally:
        partial.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Writes ``text`` so that ``path`` holds all of it or what it held before, even when the machine is switched off.

    Several processes may write the same file at once.
    """
    draft = path.with_name(f"{path.name}.{os.getpid()}.draft")
    with draft.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)


def share(path: Path) -> None:
    """Gives a file the permissions that a new one has (umask): safetensors leaves its files to their owner alone."""
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def lock(path: Path) -> IO[str] | None:
    """The file, held until it is closed or the process ends, however it ends; None where another process holds it.

    A disk that knows no locks (some of those that several machines share) is taken as it is.
    """
    stream = path.open("a+", encoding="utf-8")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        stream.close()
        return None
    except OSError:
        pass
    return stream

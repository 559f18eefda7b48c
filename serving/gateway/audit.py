"""The audit: one line for every answer, each bound to the one before, so that no line can be changed, moved or taken out unseen.

Each line is a JSON object whose ``mac`` is an HMAC-SHA256, under a secret that lies in another file, over the ``mac`` of the line before
and the line's other fields. Without the secret a line can neither be forged nor can its hashes be tried against likely prompts. Beside it
``FILE.head`` holds the count and ``mac`` of the last line, so that a cut end is seen too. Who can write all three files can write a new
history: keep a head elsewhere (every log line of the gateway carries one) and give it to ``verify``.
"""

from __future__ import annotations

import fcntl
import hmac
import json
import os
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from corpora.errors import DataError

START = "0" * 64  # what the first line is bound to
_SECRET_BYTES = 32
_NO_SECRET = "not an audit's secret (64 hexadecimal digits); restore it, or remove it where nothing was recorded yet"


_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode


def _canonical(value: Any) -> bytes:
    return _encode(value).encode()


def _secret_path(path: Path) -> Path:
    return path.with_name(path.name + ".key")


def _head_path(path: Path) -> Path:
    return path.with_name(path.name + ".head")


def _make_secret(path: Path) -> None:
    """Writes a new secret, whole or not at all: half of one would keep the door shut for good."""
    place = _secret_path(path)
    handle, draft = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.")  # 0600 from the start
    try:
        with os.fdopen(handle, "w") as stream:
            stream.write(secrets.token_hex(_SECRET_BYTES) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(draft, place)
    except BaseException:
        os.unlink(draft)
        raise


def _read_secret(path: Path) -> bytes:
    place = _secret_path(path)
    try:
        secret = bytes.fromhex(place.read_text(encoding="ascii").strip())
    except FileNotFoundError as error:
        raise DataError(
            f"{place}: the audit's secret is not here, and without it nothing can be verified; restore it"
        ) from error
    except ValueError as error:
        raise DataError(f"{place}: {_NO_SECRET}") from error
    if len(secret) != _SECRET_BYTES:  # an empty one would be known to everybody
        raise DataError(f"{place}: {_NO_SECRET}")
    return secret


@dataclass(frozen=True, slots=True)
class Head:
    """Where the chain ends: how many lines, and the last one's ``mac``."""

    count: int
    mac: str


class Audit:
    """The open file. One process writes it: a second is refused.

    Lines are handed to the system at once, so that they outlive this process, and to the disk by ``sync``.

    Raises:
        DataError: another process writes it, or what it holds does not verify.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._head_file: int | None = None
        try:
            self._hold()
            if os.fstat(self._file).st_size == 0 and not _secret_path(path).exists():
                _make_secret(path)
            self._secret = _read_secret(path)
            self.head = verify(path)
        except BaseException:
            os.close(self._file)
            raise
        self._unsynced = False

    def _hold(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DataError(f"{self.path}: another gateway writes this audit; give each its own file") from error

    def fingerprint(self, value: Any) -> str:
        """The keyed hash of a prompt or an answer, over its JSON with sorted keys."""
        return hmac.digest(self._secret, b"text:" + _canonical(value), "sha256").hex()

    def append(self, record: dict[str, Any]) -> Head:
        """Adds one line and returns the new head."""
        body = {"seq": self.head.count + 1, **record}
        mac = _mac(self._secret, self.head.mac, body)
        line = orjson.dumps({**body, "mac": mac}, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)
        written = os.write(self._file, line)
        if written != len(line):
            # Half a line would break the chain for good.
            os.ftruncate(self._file, os.fstat(self._file).st_size - written)
            raise DataError(f"{self.path}: the audit could not be written in full; is the disk full?")
        self.head = Head(body["seq"], mac)
        self._write_head()
        self._unsynced = True
        return self.head

    def _write_head(self) -> None:
        # Over the old one, in one write: its length never shrinks, and a rename for every answer took longer than all else here.
        if self._head_file is None:
            self._head_file = os.open(_head_path(self.path), os.O_WRONLY | os.O_CREAT, 0o600)
        os.pwrite(self._head_file, f"{self.head.count} {self.head.mac}\n".encode(), 0)

    def sync(self) -> None:
        """Waits until the disk has every line."""
        if self._unsynced:
            self._unsynced = False
            os.fsync(self._file)

    def close(self) -> None:
        """Ends the writing."""
        self.sync()
        os.close(self._file)
        if self._head_file is not None:
            os.close(self._head_file)
            self._head_file = None


def _mac(secret: bytes, before: str, body: dict[str, Any]) -> str:
    return hmac.digest(secret, before.encode() + _canonical(body), "sha256").hex()


def _read_head(place: Path) -> list[str] | None:
    """The head's words, None where there is none; read until two readings agree, for a door may be writing it."""
    before: bytes | None = None
    for _ in range(100):
        try:
            found = place.read_bytes()
        except FileNotFoundError:
            return None
        if found == before:
            break
        before = found
    return (before or b"").decode("ascii", errors="replace").split()


def verify(path: Path, expected: str | None = None) -> Head:
    """Follows the chain from its first line to its last.

    Args:
        path: The audit.
        expected: A ``mac`` that was written down elsewhere and must be one of the chain's.

    Raises:
        DataError: the first line that was changed, moved, put in or taken out; or lines that are missing at the end.
    """
    secret = _read_secret(path)
    head = Head(0, START)
    place = _head_path(path)
    told = _read_head(place)
    if told is not None and (len(told) != 2 or not told[0].isdecimal()):
        raise DataError(f"{place}: not a head (a count and a hash): it was tampered with")
    seen = expected is None
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                record = json.loads(line)
                mac = record.pop("mac")
                good = record["seq"] == number and hmac.compare_digest(mac, _mac(secret, head.mac, record))
            except (ValueError, KeyError, TypeError, AttributeError):
                good = False
            if not good or not line.endswith(b"\n"):
                raise DataError(
                    f"{path}: line {number} does not follow from the one before: it was changed, moved or put in, or a line before it was taken out"
                )
            head = Head(number, mac)
            seen = seen or mac == expected
            if told is not None and int(told[0]) == number and told[1] != mac:
                raise DataError(f"{place}: its hash is not that of line {number}: one of the two was tampered with")
    if told is None and head.count:
        raise DataError(
            f"{place}: missing, so lines may be missing at the end of {path}; restore it, or verify a copy with --head"
        )
    if told is not None and int(told[0]) > head.count:
        raise DataError(f"{path}: {int(told[0]) - head.count} lines are missing at its end (the head counts {told[0]})")
    if not seen:
        raise DataError(
            f"{path}: the given head is not in the chain: lines are missing at its end, or the whole was written anew"
        )
    return head

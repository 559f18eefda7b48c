"""API keys: made once, shown once, and kept as hashes.

A key is 256 random bits, so no list of likely keys exists and a fast hash, SHA-256, is enough: a slow one such as scrypt guards secrets
that people choose, and would cost every request what it costs an attacker.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import re
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from corpora.errors import DataError
from serving.gateway.journal import log

PREFIX = "osler-"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
LOOK_AGAIN = 1.0  # seconds between two looks at the file's date: a revoked key is refused after this long


class Key(BaseModel):
    """One key's entry. ``None`` limits are the gateway's own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    created: str
    revoked: str | None = None
    requests_per_minute: int | None = Field(default=None, ge=1)
    tokens_per_minute: int | None = Field(default=None, ge=1)
    triage: bool = True  # false: the client looks for emergencies itself
    tools: bool = True  # false: the tools that the client offers are left out


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    keys: list[Key] = []


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


class KeyFile:
    """The file of keys, read again when it changes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._keys: list[Key] = []
        self._stamp: tuple[int, int] | None = None
        self._looked = 0.0

    def read(self) -> list[Key]:
        """All keys, the revoked ones too; none where no file is.

        Raises:
            DataError: the file is not one of keys.
        """
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{self.path}: cannot be read as a file of keys: {error}") from error
        try:
            return _File.model_validate_json(text).keys
        except ValidationError as error:
            first = error.errors(include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            raise DataError(
                f"{self.path}: not a file of keys: {f'{place}: ' if place else ''}{first['msg']}; restore it, or move it away and run `osler keys add`"
            ) from error

    def working(self) -> set[str]:
        """Names of the keys that have not been revoked. Raises DataError as ``read`` does."""
        return {key.name for key in self.read() if key.revoked is None}

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keeps other commands from the file between a reading and a writing: a key that one of them revokes would work again."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_name(f".{self.path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _write(self, keys: list[Key]) -> None:
        text = json.dumps({"keys": [key.model_dump(exclude_none=True) for key in keys]}, indent=1)
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")  # 0600 from the start
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(name, self.path)

    def add(
        self,
        name: str,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        triage: bool = True,
        tools: bool = True,
    ) -> str:
        """Makes a key and returns it: the only time that it can be read.

        Raises:
            DataError: the name is taken or is not one.
        """
        if not NAME.fullmatch(name):
            raise DataError(f"'{name}': a key's name is 1 to 64 letters, digits, dots, dashes or underscores")
        secret = PREFIX + secrets.token_urlsafe(32)
        made = Key(
            name=name,
            sha256=_hash(secret),
            created=_now(),
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
            triage=triage,
            tools=tools,
        )
        with self._alone():
            keys = self.read()
            if any(key.name == name for key in keys):
                raise DataError(
                    f"{self.path}: there is a key '{name}' already (revoked ones keep their name, for the audit); take another name"
                )
            self._write([*keys, made])
        return secret

    def revoke(self, name: str) -> None:
        """Makes a key void. Its entry stays, so that its name in the audit means one key for good.

        Raises:
            DataError: no key of this name works.
        """
        with self._alone():
            if name not in self.working():
                raise DataError(f"{self.path}: no working key '{name}'; `osler keys list` shows them")
            self._write(
                [key.model_copy(update={"revoked": _now()}) if key.name == name else key for key in self.read()]
            )

    def find(self, presented: str) -> Key | None:
        """The working key that hashes as ``presented`` does. Every entry is compared, each in constant time.

        Raises:
            DataError: the file is not one of keys, and never was one since it is looked at.
        """
        self._refresh()
        sought = _hash(presented)
        found = None
        for key in self._keys:
            if hmac.compare_digest(key.sha256, sought) and key.revoked is None:
                found = key
        return found

    def _refresh(self) -> None:
        now = time.monotonic()
        if self._stamp is not None and now - self._looked < LOOK_AGAIN:
            return
        self._looked = now
        try:
            status = self.path.stat()
            stamp = (status.st_mtime_ns, status.st_ino)
        except FileNotFoundError:
            stamp = (0, 0)
        if stamp == self._stamp:
            return
        try:
            self._keys = self.read()
        except DataError as error:
            # Damaged by hand while the door is open: `osler keys` writes it whole. Who had a key keeps it until the file can be read again.
            if self._stamp is None:
                raise
            log("the file of keys cannot be read; the keys from before go on", reason=str(error))
        self._stamp = stamp

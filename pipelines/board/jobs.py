"""Commands that the board starts, and finds again: each in a folder below its run, with its log, its processes and how it ended."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psutil

from corpora.errors import INTERRUPTED, STOPPED, OslerError
from pipelines.board.supervise import EXIT, JOB, OSLER

JOBS = ".board"  # below a run's folder: no stage is called so
LOG, ASKED = "log.txt", "asked-to-stop"
START_SECONDS = 20.0  # for a process that does nothing but start another
TAIL_BYTES = 16_384

State = Literal["none", "running", "stopping", "finished", "stopped", "failed", "interrupted"]

_started: list[subprocess.Popen[bytes]] = []  # of this board; asked now and then, so that none stays a zombie


@dataclass(frozen=True)
class Job:
    """A command in its folder."""

    folder: Path

    def _read(self, name: str) -> dict[str, Any]:
        try:
            found = json.loads((self.folder / name).read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError):
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def words(self) -> list[str]:
        """Arguments of ``osler``."""
        return list(self._read(JOB).get("words", []))

    @property
    def command(self) -> str:
        """As it would be typed."""
        return command_line(self.words) if self.words else ""

    @property
    def stopping(self) -> str:
        """The command that asks it to stop; nothing where it does not run."""
        process = _alive(self._read(JOB).get("process"))
        return f"kill -TERM {process.pid}" if process is not None else ""

    @property
    def code(self) -> int | None:
        """The exit code, where it has ended in order."""
        code = self._read(EXIT).get("code")
        return code if isinstance(code, int) else None

    @property
    def started(self) -> float:
        """Seconds since 1970."""
        return float(self._read(JOB).get("started", 0.0))

    @property
    def state(self) -> State:
        """What has become of it."""
        for process in list(_started):
            if process.poll() is not None:
                _started.remove(process)
        job = self._read(JOB)
        if not job:
            return "none"
        if _alive(job.get("process")) is not None or (_alive(job.get("supervisor")) is not None and self.code is None):
            return "stopping" if (self.folder / ASKED).is_file() else "running"
        if self.code is None:
            return "interrupted"
        if self.code == 0:
            return "finished"
        return "stopped" if self.code in (STOPPED, INTERRUPTED) or (self.folder / ASKED).is_file() else "failed"

    @property
    def runs(self) -> bool:
        """Whether a process of it is there."""
        return self.state in ("running", "stopping")

    def tail(self, lines: int = 30) -> str:
        """The last lines of what it printed; of a progress bar, the last state."""
        try:
            with (self.folder / LOG).open("rb") as stream:
                stream.seek(max(0, os.fstat(stream.fileno()).st_size - TAIL_BYTES))
                text = stream.read().decode("utf-8", "replace")
        except OSError:
            return ""
        shown = [line.rstrip("\r").rpartition("\r")[2].rstrip() for line in text.split("\n")]
        return "\n".join([line for line in shown if line][-lines:])

    def start(self, words: list[str], before: Callable[[], None] = lambda: None) -> None:
        """Starts ``osler WORDS`` so that it outlives this process, after ``before``, which is called when nothing runs here.

        Raises:
            OslerError: one runs here already, or it could not be started.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "starting").open("w") as lock:  # of two boards one comes first
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.runs:
                raise OslerError(f"{self.command} is running already; stop it first")
            before()
            self._start(words)

    def _start(self, words: list[str]) -> None:
        (self.folder / ASKED).unlink(missing_ok=True)
        before = self._read(JOB)
        with (self.folder / LOG).open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "pipelines.board.supervise", str(self.folder.resolve()), *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "COLUMNS": "110", "PYTHONUNBUFFERED": "1"},
                start_new_session=True,  # Ctrl-C in the board's terminal ends the board alone
            )
        _started.append(process)
        deadline = time.monotonic() + START_SECONDS
        while self._read(JOB) == before:
            if process.poll() is not None or time.monotonic() > deadline:
                raise OslerError(
                    f"{command_line(words)} could not be started: {self.tail(3) or 'see ' + str(self.folder / LOG)}"
                )
            time.sleep(0.05)

    def stop(self) -> None:
        """Asks it to stop by SIGTERM: training saves a checkpoint first, and ends with code 75."""
        process = _alive(self._read(JOB).get("process"))
        if process is not None:
            (self.folder / ASKED).touch()
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGTERM)


def _alive(who: Any) -> psutil.Process | None:
    """The process of this id, if it is still the one that was started then."""
    try:
        process = psutil.Process(int(who["pid"]))
        if abs(process.create_time() - float(who["created"])) < 1 and process.status() != psutil.STATUS_ZOMBIE:
            return process
    except (psutil.Error, TypeError, KeyError, ValueError):
        return None
    return None


def command_line(words: list[str]) -> str:
    """``osler WORDS`` as it would be typed in a shell."""
    return shlex.join(["osler", *words])


def answer_of(words: list[str], seconds: float = 300) -> str:
    """What ``osler WORDS`` prints, of a command that ends by itself.

    Raises:
        OslerError: with the command's own message.
    """
    try:
        done = subprocess.run(
            [*OSLER, *words],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=seconds,
            env={**os.environ, "COLUMNS": "1000"},
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise OslerError(f"{command_line(words)} took longer than {seconds:.0f} s") from error
    if done.returncode:
        lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
        told = next(
            (line.partition("error: ")[2] for line in lines if line.startswith("error: ")), lines[-1] if lines else ""
        )
        raise OslerError(told or f"{command_line(words)} ended with code {done.returncode}")
    return done.stdout

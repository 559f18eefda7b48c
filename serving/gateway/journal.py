"""What the gateway writes down of itself: log lines in JSON, counts for Prometheus, and the version of its guard."""

from __future__ import annotations

import hashlib
import json
import logging
import sys
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

logger = logging.getLogger("osler.gateway")
_encode = json.JSONEncoder(ensure_ascii=False).encode
_SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class _Json(logging.Formatter):
    """One object a line. An exception gives its type and place, never its words: they may be a patient's."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            trace = record.exc_info[2]
            while trace is not None and trace.tb_next is not None:
                trace = trace.tb_next
            if trace is not None:
                line["at"] = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
        return _encode(line)


def log_to_stderr() -> None:
    """Sends the gateway's and uvicorn's lines to standard error, in JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json())
    for name in ("osler.gateway", "uvicorn"):
        log = logging.getLogger(name)
        log.handlers = [handler]
        log.setLevel(logging.INFO)
        log.propagate = False


def log(message: str, **fields: Any) -> None:
    """One line."""
    if logger.isEnabledFor(logging.INFO):  # and no look for the caller's file and line, which nobody is told
        record = logging.LogRecord(logger.name, logging.INFO, "", 0, message, None, None)
        record.fields = fields
        logger.handle(record)


class Metrics:
    """What ``/metrics`` shows. No label tells who asked or what."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("osler_requests", "HTTP answers.", ["route", "status"], registry=self.registry)
        self.answers = Counter("osler_answers", "Answers by how they ended.", ["outcome"], registry=self.registry)
        self.emergencies = Counter("osler_emergencies", "Requests with a red flag.", registry=self.registry)
        self.tokens = Counter("osler_tokens", "Tokens by the model's count.", ["of"], registry=self.registry)
        self.under_way = Gauge("osler_under_way", "Requests with the model now.", registry=self.registry)
        self.first = Histogram(
            "osler_first_seconds", "To the model's first piece.", buckets=_SECONDS, registry=self.registry
        )
        self.whole = Histogram("osler_answer_seconds", "To the answer's end.", buckets=_SECONDS, registry=self.registry)


@cache
def guard_version() -> str:
    """A hash over every file that decides what is let through and what is an emergency."""
    serving = Path(__file__).resolve().parent.parent
    knowledge = serving.parent / "corpora" / "bundled" / "knowledge"
    folders = [serving / "gateway", serving / "triage", knowledge]
    files = [path for folder in folders for path in folder.rglob("*") if path.suffix in {".py", ".yaml", ".npz"}]
    total = hashlib.sha256()
    for path in sorted([serving / "guard.py", serving / "doses.py", *files]):
        total.update(path.relative_to(serving.parent).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()[:16]

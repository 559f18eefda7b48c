"""The processes that a command has started, and which of them still live."""

from __future__ import annotations

import subprocess

import psutil


def family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """All that it and its children have started and that is there now."""
    return psutil.Process(process.pid).children(recursive=True)


def living(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that run; one that ended and was not waited for does not."""
    return [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]

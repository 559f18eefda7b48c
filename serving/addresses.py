"""Where a server listens: free ports, taken ones, and whether it is ready. Light to import: the door starts with it."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request

from corpora.errors import OslerError


class ServerError(OslerError):
    """A server that cannot start, or has stopped."""


def free_port() -> int:
    """A TCP port of this machine that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def at(host: str, port: int) -> str:
    """The web address of a host, which may be one of IPv6."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def can_be_sent(key: str) -> bool:
    """Whether an API key can stand in a header, which holds printable ASCII alone."""
    return key.isascii() and key.isprintable()


def port_in_use(host: str, port: int) -> bool:
    """Whether something listens on ``host:port``; raises ServerError where there is no such host."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except socket.gaierror as error:
        raise ServerError(f"{host}: no such address here ({error.strerror}); 127.0.0.1 is this machine") from error
    except OSError:
        return False


def check_port_free(host: str, port: int) -> None:
    """Raises ServerError where something listens on ``host:port`` already, or there is no such host."""
    if port_in_use(host, port):
        raise ServerError(f"port {port} on {host} is in use; give another with --port, or stop what listens there")


def healthy(host: str, port: int) -> bool:
    """Whether a vLLM on ``host:port`` says that it is ready."""
    try:
        with urllib.request.urlopen(f"{at(host, port)}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False

"""Text in and out of a pipe, whatever the encoding: what a person wrote is read as it was meant, and the answer can be printed."""

from __future__ import annotations

import codecs
import itertools
import json
import re
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

_BEYOND_ASCII = re.compile(rb"[\x80-\xff]+")


def decoded(raw: bytes) -> str:
    """``raw`` as text: UTF-8, else GB 18030 (as Chinese Windows writes), else UTF-8 with its stray bytes replaced.

    Chinese in GB 18030 is runs of two or four bytes above ASCII for a character; the accent or quotation mark of a Western encoding is one byte.
    """
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        if all(len(run) % 2 == 0 for run in _BEYOND_ASCII.findall(raw)):
            try:
                return raw.decode("gb18030")
            except UnicodeDecodeError:
                pass
        return raw.decode("utf-8", errors="replace")


def _without_mark(raw: bytes) -> tuple[bytes, bool]:
    """A text's first bytes without UTF-8's byte order mark, and whether they are UTF-16 instead."""
    return raw.removeprefix(codecs.BOM_UTF8), raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))


def input_lines() -> Iterator[str]:
    """The lines of standard input, without their ends, each as soon as it is there."""
    source: BinaryIO | None = getattr(sys.stdin, "buffer", None)
    if source is None:  # a program has put a stream of text in its place
        yield from (line.rstrip("\r\n") for line in sys.stdin)
        return
    begun = source.readline()
    first, wide = _without_mark(begun)
    if wide:
        yield from (first + source.read()).decode("utf-16", errors="replace").splitlines()
        return
    for raw in itertools.chain([first] if begun else [], source):
        yield from decoded(raw).rstrip("\r\n").split("\r")


def input_text() -> str:
    """All of standard input."""
    source: BinaryIO | None = getattr(sys.stdin, "buffer", None)
    if source is None:
        return sys.stdin.read()
    raw, wide = _without_mark(source.read())
    return raw.decode("utf-16", errors="replace") if wide else decoded(raw).replace("\r\n", "\n")


def json_line(value: Any) -> str:
    """``value`` as one line of JSON, with characters beyond ASCII escaped where standard output cannot show them."""
    plain = (sys.stdout.encoding or "utf-8").lower().replace("-", "") in ("utf8", "utf16", "gb18030")
    return json.dumps(value, ensure_ascii=not plain, default=str) + "\n"

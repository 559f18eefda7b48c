"""Work that is cut off in the middle."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def cut_after_one_removal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Ctrl-C right after the first file that is removed by ``Path.unlink``."""
    remove = Path.unlink

    def cut(self: Path) -> None:
        remove(self)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", cut)
        yield

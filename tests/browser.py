"""A real headless Chromium for the pages' tests, or the reason why there is none."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


def chromium() -> str | None:
    """The browser's program: by the environment's CHROME, else on the path."""
    names = (os.environ.get("CHROME", ""), "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((found for name in names if name and (found := shutil.which(name))), None)


@contextmanager
def browser() -> Iterator[Any]:
    """Playwright's browser on that program; skips the test where there is none."""
    program = chromium()
    if program is None:
        pytest.skip("no Chromium here: install chromium or google-chrome, or name the program in CHROME")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (`make install` does)")
    with sync_api.sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        try:
            yield made
        finally:
            made.close()

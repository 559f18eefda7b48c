"""Teaching a small model to call two tools and to answer from passages, and measuring whether it does.

A case is a prompt with what a right answer does. The prompts are what the assistant of ``serving`` gives to a model, since they are
made by driving its own turns, and so are the exam's: what was learnt and what is measured is what is served.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from pipelines.tool_use.cases import Case
from pipelines.tool_use.dialogues import render

__all__ = ["Case", "render", "source_fingerprint"]

HERE = Path(__file__).parent


def source_fingerprint() -> str:
    """SHA-256 over the wordings and the code of this package."""
    digest = hashlib.sha256()
    for path in sorted([*HERE.glob("*.py"), *HERE.glob("*.yaml")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()

"""Every block of Python in docs/assistant.md runs, against a server that speaks the OpenAI protocol."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from serving.structured import Triage
from tests.serving.stand_in import Reply, stand_in

DOCS = Path(__file__).parents[2] / "docs" / "assistant.md"


def run_blocks() -> None:
    """Runs them one after another, as a person would type them."""
    blocks = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 9
    told = Triage(urgency="routine", red_flags=[], questions=["Any pain?"], what_to_do=["See your doctor."])
    names: dict[str, object] = {}
    with stand_in(Reply(("Asthma narrows the airways [1].",))) as server:
        for block in blocks:
            server.replies = [
                Reply((told.model_dump_json() if ".triage(" in block else "Asthma narrows the airways [1].",))
            ]
            exec(compile(block.replace("http://127.0.0.1:8000/v1", server.url), str(DOCS), "exec"), names)


def test_every_block_runs(tmp_path: Path) -> None:
    # In a process of its own: run in this one, what they leave behind has closed pytest's own files now and then.
    words = [sys.executable, "-c", f"from {__name__} import run_blocks; run_blocks()"]
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        words, cwd=tmp_path, env={**os.environ, "PYTHONPATH": root}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for words_said in (
        "1 True knowledge/",
        'guide.md, "Fever", line 3',
        "69.0 mL/min",
        "bleeding",
        "routine",
        "cannot be reached",
        "Taken from your words",
    ):
        assert words_said in done.stdout

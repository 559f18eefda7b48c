"""A run whose judge fails or that is killed loses no verdict, and ends with the same bytes."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from corpora.errors import OslerError
from tests.evals.judged import HEALTHBENCH, said, verdict, write
from tests.evals.open_exam import run
from tests.pipelines.scripted import Say, endpoint


def test_a_judge_that_fails_halfway_loses_nothing_and_ends_with_the_same_bytes(tmp_path: Path):
    rows = [
        {**HEALTHBENCH[1], "prompt_id": f"hb-{n}", "prompt": [{"role": "user", "content": f"Question {n}?"}]}
        for n in range(20)
    ]
    file = write(tmp_path / "hb.jsonl", rows)
    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()
    with endpoint(lambda asked, _: verdict(asked, "7" in said(asked)[0])) as server:
        run(tmp_path / "whole", "healthbench", file, lambda prompt: prompt, server.url)
    ok = 7

    def failing(asked, _):
        nonlocal ok
        ok -= 1
        return verdict(asked, "7" in said(asked)[0]) if ok >= 0 else Say(status=500)

    with endpoint(failing) as server, pytest.raises(OslerError, match="kept"):
        run(tmp_path / "broken", "healthbench", file, lambda prompt: prompt, server.url)
    assert not (tmp_path / "broken" / "healthbench" / "items.jsonl").exists()
    with endpoint(lambda asked, _: verdict(asked, "7" in said(asked)[0])) as server:
        _, _, engine = run(tmp_path / "broken", "healthbench", file, lambda prompt: prompt, server.url)
        assert len(server.asked) == 20 - 7
    assert engine.asked == 0
    whole, broken = ((tmp_path / name / "healthbench" / "items.jsonl").read_bytes() for name in ("whole", "broken"))
    assert whole == broken


ALONE = """
import sys
from pathlib import Path
from tests.evals.open_exam import run
run(Path(sys.argv[1]), "healthbench", Path(sys.argv[2]), lambda prompt: prompt, sys.argv[3])
"""


@pytest.mark.slow
def test_a_run_that_is_killed_while_the_judge_speaks_goes_on_to_the_same_bytes(tmp_path: Path):
    rows = [
        {**HEALTHBENCH[1], "prompt_id": f"hb-{n}", "prompt": [{"role": "user", "content": f"Question {n}?"}]}
        for n in range(40)
    ]
    file = write(tmp_path / "hb.jsonl", rows)
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()

    def script(asked, _):
        return Say(verdict(asked, "7" in said(asked)[0]), stall=0.2)

    with endpoint(script) as server:
        run(tmp_path / "whole", "healthbench", file, lambda prompt: prompt, server.url)
    with endpoint(script) as server:
        words = [sys.executable, "-c", ALONE, str(tmp_path / "killed"), str(file), server.url]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while len(server.asked) < 20:
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (tmp_path / "killed" / "healthbench" / "items.jsonl").exists()
    with endpoint(script) as server:
        _, _, engine = run(tmp_path / "killed", "healthbench", file, lambda prompt: prompt, server.url)
        assert 0 < len(server.asked) <= 40 - 12  # what was answered before the kill is not asked again
    assert engine.asked == 0
    whole, killed = ((tmp_path / name / "healthbench" / "items.jsonl").read_bytes() for name in ("whole", "killed"))
    assert whole == killed

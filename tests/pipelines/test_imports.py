"""What a module does not need is not imported with it: each takes seconds, for which every command and every test of one would wait."""

import subprocess
import sys

import pytest

COMMAND = "sys.argv[1:] = {words}; from pipelines.cli import main\ntry: main()\nexcept SystemExit: pass\n"


def loaded(code: str, names: list[str]) -> list[str]:
    """Which modules of ``names`` a new Python has loaded after ``code``."""
    code = f"import sys\n{code}\nprint('loaded', *[name for name in {names} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1].split()[1:]


@pytest.mark.parametrize(
    ("module", "without"),
    [
        # What `osler eval` has imported when a model in this process can be asked.
        (
            "pipelines.loading, pipelines.examiner, evals.run, evals.engines.transformers, evals.reports.report",
            ["openai", "trl", "datasets", "matplotlib", "vllm", "corpora.curate.identifiers.dates"],
        ),
        ("serving.assistant", ["torch", "transformers"]),
        ("serving.gateway.app", ["torch", "transformers"]),
        ("pipelines.sft, pipelines.dpo", ["vllm", "openai", "matplotlib"]),
    ],
)
def test_a_module_is_imported_without(module: str, without: list[str]):
    assert loaded(f"import {module}", without) == []


@pytest.mark.parametrize("words", [["compare", "a.json", "b.json"], ["recipe", "list"], ["triage", "a sore toe"]])
def test_a_command_without_a_model_runs_without(words: list[str]):
    assert loaded(COMMAND.format(words=words), ["torch", "transformers", "trl", "datasets"]) == []

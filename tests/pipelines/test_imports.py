"""What a module does not need is not imported with it: each takes seconds, for which every command and every test of one would wait."""

import subprocess
import sys

import pytest


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
        ("pipelines.sft", ["vllm", "openai", "matplotlib"]),
        ("pipelines.dpo", ["vllm", "openai", "matplotlib"]),
    ],
)
def test_a_module_is_imported_without(module: str, without: list[str]):
    code = f"import sys, {module}; print([name for name in {without} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

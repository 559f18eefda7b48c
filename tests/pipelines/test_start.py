"""What a command imports before it does anything: each of these libraries takes a part of a second or more."""

import subprocess
import sys

# What `osler eval` has imported when a model in this process can be asked.
LOADED = """
import sys
from pipelines import loading, examiner
from evals import run
from evals.engines import transformers
from evals.reports import report
print(*sorted(set(sys.modules) & set(sys.argv[1:])))
"""
UNNEEDED = ("sklearn", "pandas", "openai", "trl", "datasets", "matplotlib", "vllm", "corpora.curate.identifiers.dates")


def test_an_exam_starts_without_the_libraries_that_it_does_not_need():
    done = subprocess.run(
        [sys.executable, "-c", LOADED, "torch", *UNNEEDED], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["torch"]


def test_transformers_writes_as_before_where_scikit_learn_is_left_out(tiny_model):
    from pipelines.loading import load_model, load_tokenizer

    model, tokenizer = load_model(tiny_model, training=False), load_tokenizer(tiny_model)
    given = tokenizer("The ferry", return_tensors="pt")
    alone = model.generate(**given, max_new_tokens=8, do_sample=False)
    # Assisted generation too, but for its threshold.
    assert model.generate(**given, max_new_tokens=8, do_sample=False, assistant_model=model).tolist() == alone.tolist()

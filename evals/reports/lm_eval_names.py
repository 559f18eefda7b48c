"""What lm-eval calls our tasks and their scores; a task that follows one of lm-eval's carries its name, so that figures of both stand in one row."""

from __future__ import annotations

from evals.figures.results import Row

_GROUPS = {  # our prefix and theirs, and the subjects, which both call alike
    (
        "mmlu",
        "mmlu",
    ): "anatomy clinical-knowledge college-biology college-medicine medical-genetics professional-medicine",
    ("ceval", "ceval-valid"): "basic-medicine clinical-medicine physician",
    ("cmmlu", "cmmlu"): "anatomy clinical-knowledge college-medical-statistics college-medicine genetics nutrition "
    "professional-medicine traditional-chinese-medicine virology",
}
LM_EVAL_TASKS = {
    "medqa": "medqa_4options",
    "medmcqa": "medmcqa",
    "pubmedqa": "pubmedqa",
    "careqa": "careqa_en",
    "careqa-es": "careqa_es",
    "headqa": "headqa_en",
    "headqa-es": "headqa_es",
    **{
        f"{ours}-{subject}": f"{theirs}_{subject.replace('-', '_')}"
        for (ours, theirs), subjects in _GROUPS.items()
        for subject in subjects.split()
    },
}
# What lm-eval calls the choice of the option that is likeliest after each way to normalise.
LIKELIHOOD_METRICS = {"none": "acc", "bytes": "acc_bytes", "unconditional": "acc_mutual_info"}


def lm_eval_name(task: Row) -> str:
    """lm-eval's name of a task that was asked in its way, and our own name of any other."""
    name = str(task["task"])
    return LM_EVAL_TASKS.get(name, name) if task["scoring"] == "likelihood" else name


def metric_of(task: Row) -> str:
    """lm-eval's name of what a task's score is."""
    if task["scoring"] == "likelihood":
        return LIKELIHOOD_METRICS[task["normalise"]]
    return "score" if task["metric"] == "graded" else "exact_match"

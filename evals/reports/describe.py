"""What a task asks and how, in words and by an example, for people who read no YAML."""

from __future__ import annotations

from corpora.records import ExamItem
from evals.exam.known_errors import known_errors
from evals.exam.prompts import Prompter
from evals.exam.source import how_to_get
from evals.exam.tasks import Scoring, Task

# Made up, so that no published item is shown.
EXAMPLES = {
    "en": ("Which vitamin prevents scurvy?", ["Vitamin A", "Vitamin B1", "Vitamin C", "Vitamin D"]),
    "zh": ("哪种维生素可以预防坏血病？", ["维生素A", "维生素B1", "维生素C", "维生素D"]),
    "es": ("¿Qué vitamina previene el escorbuto?", ["Vitamina A", "Vitamina B1", "Vitamina C", "Vitamina D"]),
}
SCORED: dict[Scoring, str] = {
    "likelihood": "the option that the model finds likeliest is its answer",
    "generative": "the model writes its answer, and the choice is read from it",
    "numeric": "the model writes a number or date, which must lie within the published limits",
    "rubric": "a judge model marks the written answer by the published criteria",
    "similarity": "the written answer is compared with reference answers",
    "refusal": "the written answer is read for a refusal, by its words",
    "coverage": "the written answer is read for the phrases that it should hold, by their words and quantities",
}
NORMALISED = {
    "none": "",
    "bytes": ", by byte of the option",
    "unconditional": ", by how much likelier the question makes it",
}
METRICS = {
    "accuracy": "share of right answers",
    "exact_set": "share of items of which exactly the right options are named",
    "graded": "mean grade",
}


def described(task: Task) -> list[tuple[str, str]]:
    """Headings and texts."""
    n = task.data.limit or task.data.published
    parts = [
        f"{n:,} items" if n else "number of items not published",
        task.data.split and f"split: {task.data.split}",
        f"{task.options} options each" if task.options else "",
        {"en": "English", "zh": "Chinese", "es": "Spanish"}[task.language],
        f"licence: {task.data_licence}",
    ]
    said = [
        (task.title, f"{task.name}, version {task.version}: {'; '.join(part for part in parts if part)}"),
        ("Convention", task.source),
        ("Data", how_to_get(task)),
        ("Scoring", _scoring(task)),
    ]
    if task.general:
        said.append(("What it is for", "a general set: a model is held against its base to see what it has forgotten"))
    errors = known_errors(task.name, plain=task.plain_name).lists
    if errors:
        said.append(("Known errors", "\n".join(f"{one.title}: {one.source}\n{one.about}" for one in errors)))
    return [*said, *_prompts(task)]


def _scoring(task: Task) -> str:
    how = f"{SCORED[task.scoring]}{NORMALISED[task.normalise] if task.scoring == 'likelihood' else ''}"
    told = [f"{how}; {METRICS[task.metric]}"]
    if task.several:
        told.append("several options may be right at once")
    if task.num_fewshot:
        alike = f", of the same {' and '.join(task.data.fewshot_by)}" if task.data.fewshot_by else ""
        told.append(f"{task.num_fewshot} examples before each question{alike}")
    if task.scoring not in ("likelihood", "similarity"):
        told.append(f"at most {task.max_tokens:,} tokens")
    return "; ".join(told)


def _prompts(task: Task) -> list[tuple[str, str]]:
    question, options = EXAMPLES[task.language]
    options = task.choices or options
    item = ExamItem(
        id="example",
        question=question,
        options=options,
        answers=[min(2, len(options) - 1)],
        meta={"subject": "nutrition"},
    )
    free = task.scoring == "generative"
    plain = Prompter(task, None, (), free)
    shown = plain.prompt(item)
    if task.scoring == "likelihood":
        shown += "\n\nscored as what follows: " + " | ".join(map(repr, plain.continuations(item)))

    def turns(messages: list[dict[str, str]]) -> str:
        return "\n".join(f"[{message['role']}]\n{message['content'].strip()}" for message in messages)

    chat = Prompter(task, turns, (), free).prompt(item)
    return [
        ("Prompt in plain text, with a made-up item and without examples", shown),
        ("The same for a chat model", chat),
    ]

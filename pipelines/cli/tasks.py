"""The commands that list and show the tasks of the exam."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from pipelines.cli.options import JsonOption, app, out

tasks_app = typer.Typer(help="Tasks and suites of the exam.", no_args_is_help=True)
app.add_typer(tasks_app, name="tasks")


@tasks_app.command("list")
def tasks_list(as_json: JsonOption = False) -> None:
    """List the tasks and suites of the exam."""
    show_tasks(as_json)


@tasks_app.command("show")
def tasks_show(
    name: Annotated[str, typer.Argument(help="A task, or the path of a YAML file of your own.")],
    as_yaml: Annotated[
        bool, typer.Option("--yaml", help="All fields as they are, with what the task takes over from others.")
    ] = False,
) -> None:
    """Show what a task asks and how: its convention, data, scoring, known errors, and a prompt with a made-up item."""
    import yaml

    from evals.exam.source import how_to_get
    from evals.exam.task_files import load_task

    task = load_task(name)
    if as_yaml:
        told = {**task.model_dump(exclude_defaults=True), "licence": task.data_licence}
        print(yaml.safe_dump(told, allow_unicode=True, sort_keys=False, width=120), end="")
        print(f"# its data: {how_to_get(task)}")
        return
    from evals.reports.describe import described

    for head, text in described(task):
        out.print(f"[bold]{head}[/bold]")
        out.print(text, markup=False, highlight=False, soft_wrap=True)
        out.print()


def show_tasks(as_json: bool) -> None:
    """Lists the tasks and suites, with sizes and scoring."""
    from evals.exam.task_files import load_suite, load_task, suite_names, task_names, variant_names
    from evals.exam.variants import KINDS

    tasks = [load_task(name) for name in task_names()]
    suites = {name: load_suite(name) for name in suite_names()}
    if as_json:
        told = {
            "tasks": {task.name: task.model_dump(exclude={"name"}) for task in tasks},
            "variants": variant_names(),
            "suites": {name: [task.name for task in its] for name, (_, its) in suites.items()},
        }
        print(json.dumps(told, ensure_ascii=False))
        return
    # Lines and no table: a table cuts names short in a narrow terminal, and they are there to be typed again.
    width = max(len(task.name) for task in tasks)
    for task in tasks:
        n = f"{task.data.limit or task.data.published:,}" if task.data.limit or task.data.published else "?"
        line = f"{task.name:{width}}  {task.language}  {n:>6}  {task.scoring:10}  {task.title}"
        out.print(line, markup=False, soft_wrap=True)
    varied = [task.name for task in tasks if task.has_variants]
    out.print("\n[bold]variants[/bold]")
    for ending, kind in KINDS.items():
        out.print(f"NAME-{ending}: {kind.title}", markup=False, soft_wrap=True)
    out.print(f"NAME is any of {', '.join(varied)}", markup=False, soft_wrap=True)
    out.print("\n[bold]suites[/bold]")
    for name, (title, its) in suites.items():
        out.print(f"{name}: {title}: {', '.join(task.name for task in its)}", markup=False, soft_wrap=True)

"""Benchmarks as readable YAML files, one a task, and suites as named lists of them.

``extends: NAME`` takes over all that another file says; what is given again replaces it. A file whose name begins with ``_`` is only there to be
extended. The fields are those of ``evals.exam.tasks.Task``.

A task whose prompt lists the options of its items has no file for its variants: ``NAME-nota`` and ``NAME-unsure`` are made of its own (``evals.exam.variants``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from corpora.errors import DataError, nearest
from corpora.files.yaml_file import read_yaml
from evals.exam.tasks import Task
from evals.exam.variants import KINDS

TASKS = Path(__file__).parents[1] / "tasks"
SUITES = Path(__file__).parents[1] / "suites"


def task_names() -> list[str]:
    """The bundled tasks, in alphabetical order."""
    return sorted(path.stem for path in TASKS.glob("*.yaml") if not path.name.startswith("_"))


def variant_names() -> list[str]:
    """The variants of the bundled tasks, in alphabetical order."""
    tasks = [load_task(name) for name in task_names()]
    return sorted(f"{task.name}-{ending}" for task in tasks if task.has_variants for ending in KINDS)


def suite_names() -> list[str]:
    """The bundled suites, in alphabetical order."""
    return sorted(path.stem for path in SUITES.glob("*.yaml"))


def _unknown(kind: str, name: str, known: list[str]) -> DataError:
    return DataError(f"no {kind} is called '{name}'; {nearest(name, known, f'`osler tasks list` shows the {kind}s')}")


def _mapping(path: Path) -> dict[str, Any]:
    raw, _ = read_yaml(path)
    if not isinstance(raw, dict):
        raise DataError(f"{path}: a task is a mapping of fields, as the files of `osler tasks list` are")
    return raw


def _merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    found = dict(under)
    for name, value in over.items():
        both = isinstance(value, dict) and isinstance(found.get(name), dict)
        found[name] = _merged(found[name], value) if both else value
    return found


def _resolved(path: Path, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    if path in seen:
        raise DataError(f"{path}: extends itself, through {', '.join(one.name for one in seen)}")
    raw = _mapping(path)
    parent = raw.pop("extends", None)
    if parent is None:
        return raw
    beside = path.parent / f"{parent}.yaml"
    above = beside if beside.is_file() and beside != path else TASKS / f"{parent}.yaml"
    if not above.is_file():
        raise DataError(f"{path}: extends '{parent}', which is no task here or in the package")
    return _merged(_resolved(above, (*seen, path)), raw)


def _variant(name: str) -> Task | None:
    """The variant that ``name`` calls, of the task before its ending; None where it calls none."""
    plain, _, ending = name.rpartition("-")
    if ending not in KINDS or plain not in task_names():
        return None
    task, kind = load_task(plain), KINDS[ending]
    if not task.has_variants:
        raise DataError(
            f"there is no task '{name}': the prompt of '{plain}' does not list options of its items, so that none of them can be put in another's place"
        )
    changed = {
        "name": name,
        "title": f"{task.title}, {kind.title}",
        "version": task.version + kind.revision,
        "source": f"{task.source}. {kind.source}",
        "variant": ending,
    }
    return task.model_copy(update=changed)


def load_task(name: str) -> Task:
    """The task called ``name``, a variant of one, or that of a YAML file of the user's own.

    Raises:
        DataError: there is none, or a field of it is wrong or unknown.
    """
    own = name.endswith((".yaml", ".yml"))
    path = Path(name) if own else TASKS / f"{name}.yaml"
    if not path.is_file() or (not own and name.startswith("_")):
        if own:
            raise DataError(f"{name}: no such file")
        variant = _variant(name)
        if variant is None:
            raise _unknown("task", name, [*task_names(), *variant_names()])
        return variant
    raw = {**_resolved(path), "name": path.stem}
    try:
        task = Task.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DataError(f"{path}: {place}: {first['msg']}") from error
    task.check_templates()
    return task


def load_suite(name: str) -> tuple[str, list[Task]]:
    """The title of a suite and its tasks.

    Raises:
        DataError: there is no such suite.
    """
    path = SUITES / f"{name}.yaml"
    if not path.is_file():
        raise _unknown("suite", name, suite_names())
    raw = _mapping(path)
    return str(raw["title"]), [load_task(task) for task in raw["tasks"]]

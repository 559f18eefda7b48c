"""Benchmarks as readable YAML files, one a task, and suites as named lists of them.

``extends: NAME`` takes over all that another file says; what is given again replaces it. A file whose name begins with ``_`` is only there to be
extended. The fields are those of ``evals.exam.tasks.Task``.

A task whose prompt lists the options of its items has no file for its variants: ``NAME-nota`` and ``NAME-unsure`` are made of its own
(``evals.exam.variants``), and can be extended as if they had one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import ValidationError

from corpora.errors import DataError, nearest
from corpora.files.yaml_file import read_yaml
from evals.exam.tasks import Task
from evals.exam.variants import KINDS

TASKS = Path(__file__).parents[1] / "tasks"
SUITES = Path(__file__).parents[1] / "suites"
Ending = Literal["nota", "unsure"]  # of ``evals.exam.variants.KINDS``


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
    name, ending = str(parent), None
    above = _extended(path, name)
    if above is None:
        name, ending = _parted(name)
        above = _extended(path, name) if ending else None
    if above is None:
        known = [*task_names(), *variant_names()]
        told = nearest(str(parent), known, "`osler tasks list` shows the tasks")
        raise DataError(f"{path}: extends '{parent}', which is no task here or in the package; {told}")
    under = _resolved(above, (*seen, path))
    return _merged({**under, **_as_variant(under, ending)} if ending else under, raw)


def _extended(path: Path, name: str) -> Path | None:
    """The file of the task ``name`` beside the file ``path``, or in the package."""
    places = (path.parent / f"{name}.yaml", TASKS / f"{name}.yaml")
    return next((place for place in places if place.is_file() and place != path), None)


def _parted(name: str) -> tuple[str, Ending | None]:
    """The task's name before the ending of a variant, and the ending; the name as it is where it has none."""
    plain, _, ending = name.rpartition("-")
    return (plain, cast(Ending, ending)) if ending in KINDS else (name, None)


def _as_variant(of: Mapping[str, Any], ending: Ending) -> dict[str, Any]:
    """The fields in which a variant is not as the task that it is ``of``."""
    kind, version = KINDS[ending], of.get("version", 1)
    return {
        "title": f"{of.get('title', '')}, {kind.title}",
        "version": version + kind.revision if isinstance(version, int) else version,  # what is no number is told later
        "source": f"{of.get('source', '')}. {kind.source}",
        "variant": ending,
    }


def _variant(name: str) -> Task | None:
    """The variant that ``name`` calls, of the task before its ending; None where it calls none."""
    plain, ending = _parted(name)
    if ending is None or plain not in task_names():
        return None
    task = load_task(plain)
    if not task.has_variants:
        raise DataError(
            f"there is no task '{name}': the prompt of '{plain}' does not list options of its items, so that none of them can be put in another's place"
        )
    return task.model_copy(update={"name": name, **_as_variant(task.model_dump(), ending)})


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
    if task.variant != "none" and not task.plain.has_variants:
        raise DataError(
            f"{path}: variant '{task.variant}' puts an option in another's place or adds one, and this task's prompt does not list options of its "
            "items; leave the variant out, or extend a task that has it (`osler tasks list`)"
        )
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

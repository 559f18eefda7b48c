"""The prompts for a teacher: Jinja files in English and Chinese, bundled or of the recipe's own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from corpora.errors import nearest
from pipelines.config import Prompted, RecipeError

PROMPTS = Path(__file__).parent / "prompts"
LANGUAGES = ("en", "zh")


@dataclass(frozen=True)
class Prompt:
    """One file, compiled."""

    name: str
    sha256: str  # of the file
    template: jinja2.Template

    def render(self, **values: Any) -> str:
        """The text for the teacher.

        Raises:
            RecipeError: the file names a value that its step does not give.
        """
        try:
            return self.template.render(**values).strip()
        except jinja2.TemplateError as error:
            raise RecipeError(f"{self.name}: {error}; this step gives: {', '.join(values)}") from error


@dataclass(frozen=True)
class Prompts:
    """The prompts of one task, by step and language ("exam.zh")."""

    by_step: Mapping[str, Prompt]

    def __getitem__(self, step: str) -> Prompt:
        return self.by_step[step]

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256 of each file."""
        return {step: prompt.sha256 for step, prompt in self.by_step.items()}


def _file(wanted: str, language: str) -> Path:
    """The file of a prompt given by path, or by the name of a bundled one."""
    if wanted.endswith(".jinja"):
        path = Path(wanted)
        if not path.is_file():
            raise RecipeError(f"{wanted}: no such prompt file (looked in {Path.cwd()})")
        return path
    found = [path for path in (PROMPTS / f"{wanted}.{one}.jinja" for one in (language, "en")) if path.is_file()]
    if not found:
        known = sorted({path.name.split(".")[0] for path in PROMPTS.glob("*.jinja")})
        raise RecipeError(f"no bundled prompt is called '{wanted}', and it is no .jinja file; {nearest(wanted, known)}")
    return found[0]


def load_prompts(task: Prompted) -> Prompts:
    """A task's prompts, those that the recipe names in place of the bundled ones.

    Raises:
        RecipeError: a file is missing or is no Jinja template.
    """
    environment = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, keep_trailing_newline=False)
    found: dict[str, Prompt] = {}
    for step in task.steps:
        for language in LANGUAGES:
            label = f"{step}.{language}"
            path = _file(task.prompts.get(label) or task.prompts.get(step) or step, language)
            text = path.read_text(encoding="utf-8")
            try:
                template = environment.from_string(text)
            except jinja2.TemplateError as error:
                raise RecipeError(f"{path}: not a Jinja template: {error}") from error
            found[label] = Prompt(path.name, hashlib.sha256(text.encode()).hexdigest(), template)
    return Prompts(found)

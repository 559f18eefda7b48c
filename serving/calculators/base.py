"""What a medical calculator is: typed inputs with units, a published formula, and a result that says what it is not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from langchain_core.tools import StructuredTool, ToolException
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from corpora.errors import OslerError
from serving.calculators.units import Measure, measure_of


class CalculatorError(OslerError):
    """An input that is missing, impossible, or outside what the formula was made for."""


class Inputs(BaseModel):
    """Base of the inputs: unknown names are errors, numbers are finite, and amounts lie in their measure's range."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def amount(self, name: str) -> float:
        """The field ``name`` in the first unit of its measure."""
        measure = measure_of(type(self).model_fields[name])
        assert measure is not None, name
        return measure.to_base(getattr(self, name), self.unit(name))

    def unit(self, name: str) -> str:
        """The unit that the field ``name`` was given in."""
        measure = measure_of(type(self).model_fields[name])
        assert measure is not None, name
        return str(getattr(self, f"{name}_unit", measure.base))

    @model_validator(mode="after")
    def _plausible(self) -> Inputs:
        for name, field in type(self).model_fields.items():
            measure = measure_of(field)
            if isinstance(measure, Measure) and getattr(self, name) is not None:
                measure.check(name, getattr(self, name), self.unit(name))
        return self


class Reference(BaseModel):
    """The publication of a formula or of its bands."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    authors: str
    title: str
    published: str  # journal, volume and pages, or the body that issued it
    year: int
    doi: str | None = None

    def __str__(self) -> str:
        end = f" doi:{self.doi}" if self.doi else ""
        return f"{self.authors}. {self.title}. {self.published}, {self.year}.{end}"


class Outcome(BaseModel):
    """What a formula gives: the number, what the publication makes of it, and the steps that led to it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: float | str
    interpretation: str
    unit: str = ""  # of the value, where it follows the unit of an input
    parts: dict[str, float | str] = {}  # points by item, or the terms of the formula
    warnings: list[str] = []


class Result(Outcome):
    """An outcome with all that a reader needs to check it."""

    calculator: str
    title: str
    inputs: dict[str, Any]
    formula: str
    sources: list[Reference]
    is_not: str

    @property
    def headline(self) -> str:
        """The result in one line."""
        number = f"{self.value:g}" if isinstance(self.value, float) else self.value
        return f"{self.title}: {number} {self.unit}".rstrip()

    def text(self) -> str:
        """The result as plain lines: number, meaning, formula, sources, limits."""
        lines = [self.headline, self.interpretation, *self.warnings]
        if self.parts:
            shown = "; ".join(
                f"{name} {part:g}" if isinstance(part, float) else f"{name} {part}" for name, part in self.parts.items()
            )
            lines.append(f"Steps: {shown}")
        lines.append(f"Formula: {self.formula}")
        lines += [f"Source: {source}" for source in self.sources]
        return "\n".join([*lines, f"What it is not: {self.is_not}"])


I = TypeVar("I", bound=Inputs)  # noqa: E741


@dataclass(frozen=True)
class Calculator(Generic[I]):
    """One published formula.

    Attributes:
        name: what the command line and the model call it.
        aliases: other names that a person writes, in lower case.
        inputs: the model of its inputs.
        compute: the formula.
        unit: of the value; empty for a date, and where it follows the unit of an input.
    """

    name: str
    title: str
    aliases: tuple[str, ...]
    inputs: type[I]
    compute: Callable[[I], Outcome]
    unit: str
    formula: str
    sources: tuple[Reference, ...]
    is_not: str

    def __call__(self, values: Mapping[str, Any]) -> Result:
        """The result for ``values``.

        Raises:
            CalculatorError: an input is missing, unknown, impossible, or outside the formula's range. The message names each.
        """
        try:
            given = self.inputs.model_validate(dict(values))
            outcome = self.compute(given)
        except ValidationError as error:
            raise CalculatorError(f"{self.name}: {explain(error, self.inputs)}") from error
        except ValueError as error:
            raise CalculatorError(f"{self.name}: {error}") from error
        return Result(
            **{**outcome.model_dump(), "unit": outcome.unit or self.unit},
            calculator=self.name,
            title=self.title,
            inputs=given.model_dump(mode="json", exclude_none=True),
            formula=self.formula,
            sources=list(self.sources),
            is_not=self.is_not,
        )

    def missing(self, values: Mapping[str, Any]) -> list[str]:
        """Names of the required inputs that ``values`` lacks, in order."""
        return [name for name, field in self.inputs.model_fields.items() if field.is_required() and name not in values]

    def tool(self) -> StructuredTool:
        """The calculator as a LangChain tool. The model reads the text; the tool message's artifact is the ``Result``."""

        def run(**values: Any) -> tuple[str, Result]:
            try:
                result = self(values)
            except CalculatorError as error:
                raise ToolException(f"Not computed. {error}") from error
            return result.text(), result

        return StructuredTool.from_function(
            func=run,
            name=self.name.replace("-", "_"),
            description=f"{self.title}. {self.formula} Call it only with values that the user gave. {self.is_not}",
            args_schema=self.inputs,
            response_format="content_and_artifact",
            handle_tool_error=True,
            handle_validation_error=lambda error: f"Not computed. {self.name}: {_reason(error, self.inputs)}",
        )


def _reason(error: Any, inputs: type[Inputs]) -> str:
    return explain(error, inputs) if isinstance(error, ValidationError) else str(error)


def explain(error: ValidationError, inputs: type[Inputs]) -> str:
    """Every problem in one sentence each, in the words of a person who fills in the form."""
    missing = [str(problem["loc"][0]) for problem in error.errors() if problem["type"] == "missing"]
    said = [f"missing: {', '.join(missing)}"] if missing else []
    for problem in error.errors():
        if problem["type"] == "missing":
            continue
        name = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            said.append(f"{name}: no such input; there are {', '.join(inputs.model_fields)}")
        elif name == "age" and problem["type"] == "greater_than_equal":
            least = problem["ctx"]["ge"]
            said.append(
                f"age {problem['input']}: this calculator is for people of {least} years or more; use a method made for younger ones"
            )
        else:
            said.append(
                f"{name}: {problem['msg']}, got {problem['input']!r}"
                if name
                else problem["msg"].removeprefix("Value error, ")
            )
    return "; ".join(said)


def band(value: float, limits: tuple[tuple[float, str], ...], last: str) -> str:
    """The words of the first limit that ``value`` is below, else ``last``."""
    return next((words for limit, words in limits if value < limit), last)


def scored(items: Mapping[str, tuple[bool, float]]) -> tuple[float, dict[str, float | str]]:
    """The sum of the points of the items that hold, and each item's points."""
    parts: dict[str, float | str] = {name: float(points) if holds else 0.0 for name, (holds, points) in items.items()}
    return float(sum(points for holds, points in items.values() if holds)), parts

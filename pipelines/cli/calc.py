"""The command that runs a medical calculator: calc."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from corpora.errors import OslerError
from pipelines.cli.options import JsonOption, app, out

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from serving.calculators import Calculator


def _choices(field: FieldInfo) -> str:
    """What the option takes, in few words."""
    if field.annotation is bool:
        return "yes or no"
    choices = [str(choice) for choice in get_args(field.annotation) if isinstance(choice, str)]
    return " | ".join(choices) or getattr(field.annotation, "__name__", "date").replace("float", "number").replace(
        "int", "whole number"
    )


def _describe(one: Calculator[Any]) -> None:
    out.print(f"[bold]{one.title}[/bold]\n{one.formula}", soft_wrap=True)
    for name, field in one.inputs.model_fields.items():
        default = "" if field.is_required() else f" Default: {field.default}."
        out.print(
            f"  --{name.replace('_', '-')}  ",
            _choices(field),
            f"  {field.description}.{default}",
            sep="",
            markup=False,
            soft_wrap=True,
        )
    for source in one.sources:
        out.print(f"Source: {source}", markup=False, soft_wrap=True)
    out.print(f"What it is not: {one.is_not}", markup=False, soft_wrap=True)


def _values(one: Calculator[Any], words: list[str], unit: str | None, rest_no: bool) -> dict[str, Any]:
    """The inputs that the command line gives, as text: the model of the inputs reads them."""
    fields, values = one.inputs.model_fields, {}
    words = list(words)
    while words:
        word = words.pop(0)
        if not word.startswith("--"):
            raise OslerError(f"unexpected argument '{word}'; `osler calc {one.name} --help` lists the inputs")
        key, equals, value = word[2:].partition("=")
        name = key.replace("-", "_")
        denied = name.removeprefix("no_") if name not in fields else name
        if denied != name and denied in fields and fields[denied].annotation is bool:
            values[denied] = "no"
        elif equals:
            values[name] = value
        elif name in fields and fields[name].annotation is bool and (not words or words[0].startswith("--")):
            values[name] = "yes"
        elif words:
            values[name] = words.pop(0)
        else:
            raise OslerError(f"--{key} needs a value; `osler calc {one.name} --help` lists the inputs")
    if unit is not None:
        units = [name for name in fields if name.endswith("_unit") and name not in ("from_unit", "to_unit")]
        if len(units) != 1:
            told = ", ".join(f"--{name.replace('_', '-')}" for name in units) or "none"
            raise OslerError(f"--unit is for a calculator with one unit; {one.name} has {told}")
        values[units[0]] = unit
    if rest_no:
        values |= {name: "no" for name in one.missing(values) if fields[name].annotation is bool}
    return values


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    help="Run a medical calculator: `osler calc list` names them, `osler calc NAME --help` lists its inputs.",
)
def calc(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The calculator, or `list`.")] = "list",
    unit: Annotated[str | None, typer.Option(help="The unit, where the calculator takes only one.")] = None,
    rest_no: Annotated[
        bool, typer.Option("--rest-no", help="Answer no to every yes-or-no item that is not given.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Run the calculator NAME on the inputs that follow.

    Examples: `osler calc egfr --age 50 --sex female --creatinine 1.0 --unit mg/dL` · `osler calc bmi --help`
    """
    import json

    from serving.calculators import CALCULATORS, CalculatorError, calculator

    asked_help = {"-h", "--help"} & {name, *context.args}
    if name in ("list", "-h", "--help"):
        if as_json:
            print(
                json.dumps(
                    {one.name: one.inputs.model_json_schema() for one in CALCULATORS.values()}, ensure_ascii=False
                )
            )
            return
        if asked_help:
            out.print(
                "Usage: osler calc NAME --INPUT VALUE ... [--unit UNIT] [--rest-no] [--json]\n\n"
                "  --unit     The unit, where the calculator takes only one.\n"
                "  --rest-no  Answer no to every yes-or-no item that is not given.\n"
                "  --json     Print JSON for programs.\n\n"
                "`osler calc NAME --help` lists the inputs of one. The calculators:",
                markup=False,
                soft_wrap=True,
            )
        for one in CALCULATORS.values():
            out.print(f"{one.name:20} {one.title}", markup=False, soft_wrap=True)
        return
    one = calculator(name)
    if asked_help:
        _describe(one)
        return
    values = _values(one, context.args, unit, rest_no)
    try:
        result = one(values)
    except CalculatorError as error:
        lacking = one.missing(values)
        options = ", ".join(f"--{name.replace('_', '-')}" for name in lacking)  # as they are typed
        said = str(error).replace(f"missing: {', '.join(lacking)}", f"missing: {options}") if lacking else str(error)
        raise OslerError(f"{said}; `osler calc {one.name} --help` lists the inputs") from error
    if as_json:
        print(result.model_dump_json(indent=2))
    else:
        out.print(result.text(), markup=False, soft_wrap=True)

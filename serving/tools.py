"""What the assistant may call: the bundled facts, an interaction check over them, and the medical calculators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from langchain_core.tools import BaseTool, StructuredTool
from pydantic import BaseModel, Field, ValidationError

from serving.calculators import calculator_tools
from serving.reference import check_interactions, look_up


class LookUpInput(BaseModel):
    """What the reference look-up takes."""

    query: Annotated[
        str,
        Field(min_length=2, max_length=200, description="Name of a condition, medicine, laboratory test or emergency"),
    ]


class InteractionInput(BaseModel):
    """What the interaction check takes."""

    medicines: Annotated[
        list[str],
        Field(min_length=2, max_length=30, description="Generic names of two or more medicines or substances"),
    ]


def _refusal(error: Any) -> str:
    """What is wrong with a call, for the model that made it."""
    problems = error.errors() if isinstance(error, ValidationError) else []
    told = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in problems)
    return f"Not done. {told or error}"


def _tool(name: str, function: Callable[..., Any], inputs: type[BaseModel], description: str) -> StructuredTool:
    def run(**values: Any) -> tuple[str, Any]:
        result = function(**values)
        return result.text(), result

    return StructuredTool.from_function(
        func=run,
        name=name,
        description=description,
        args_schema=inputs,
        response_format="content_and_artifact",
        handle_validation_error=_refusal,
    )


def reference_tools() -> list[BaseTool]:
    """The look-up and the interaction check as LangChain tools."""
    return [
        _tool(
            "look_up",
            look_up,
            LookUpInput,
            "Looks a condition, medicine, laboratory test or emergency up in the bundled facts. Answers with entries and their sources.",
        ),
        _tool(
            "check_interactions",
            check_interactions,
            InteractionInput,
            "Checks medicines against each other in the bundled facts. Answers with the interactions, who must not take each, and "
            "what is not known. It gives no dose.",
        ),
    ]


def assistant_tools() -> list[BaseTool]:
    """All tools: reference and calculators."""
    return [*reference_tools(), *calculator_tools()]

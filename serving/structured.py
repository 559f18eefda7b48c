"""Structured answers: the triage of a person's message, and any other schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, cast

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage, convert_to_messages
from langchain_core.prompt_values import PromptValue
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from serving.conversation import check_text, red_flag
from serving.faults import FAULTS, AssistantError, explained
from serving.guard import RedFlag, neutral

TRIAGE_TASK = (
    "Sort the message by urgency. Name only red flags that it states, ask what is still needed to judge, and say what to do next. No "
    "diagnosis and no doses."
)
# The limits also bound what a model writes under the schema: a small one may otherwise never close its string.
Words = Annotated[str, StringConstraints(min_length=2, max_length=120)]


class Triage(BaseModel):
    """How urgent a person's message is, and what comes next."""

    model_config = ConfigDict(extra="forbid")

    urgency: Literal["emergency", "urgent", "soon", "routine", "self-care"] = Field(
        description="emergency: now, by the emergency number; urgent: today; soon: within days; routine: an ordinary appointment; "
        "self-care: at home"
    )
    red_flags: list[Words] = Field(
        max_length=5, description="Warning signs that the message states; empty when there are none"
    )
    questions: list[Words] = Field(max_length=3, description="What to ask the person next")
    what_to_do: list[Words] = Field(
        min_length=1, max_length=4, description="What the person should do, the first thing first"
    )


def as_messages(given: Any) -> list[BaseMessage]:
    """What a chat model takes, as messages; also one message alone, and the state of a graph, whose messages stand under ``messages``.

    Raises:
        AssistantError: it is something else. LangChain's own reading would take a dictionary for the list of its keys.
    """
    if isinstance(given, str):
        return [HumanMessage(given)]
    if isinstance(given, PromptValue):
        return given.to_messages()
    if isinstance(given, Mapping) and "messages" in given:
        return as_messages(given["messages"])
    if isinstance(given, BaseMessage) or (isinstance(given, Mapping) and "role" in given):
        given = [given]
    if not isinstance(given, Sequence):
        told = f"a dictionary of {', '.join(map(repr, given))}" if isinstance(given, Mapping) else type(given).__name__
        raise AssistantError(
            f"the assistant takes a text, messages, a prompt, or a dictionary with 'messages', not {told}; put a prompt "
            "before it: ChatPromptTemplate.from_messages([('human', '{input}')]) | assistant"
        )
    try:
        return convert_to_messages(given)
    except (ValueError, TypeError, NotImplementedError) as error:
        raise AssistantError(f"these are no messages: {error}") from error


def structured(
    model: BaseChatModel,
    schema: type[BaseModel] | dict[str, Any],
    method: str,
    system: str,
    check: Callable[[str], RedFlag | None],
    where: str,
    include_raw: bool = False,
    **settings: Any,
) -> Runnable[LanguageModelInput, Any]:
    """A runnable that answers with ``schema``, or, with ``include_raw``, with what LangChain's own gives: ``raw``, ``parsed`` and ``parsing_error``.

    Args:
        model: what answers.
        schema: a Pydantic model, or a JSON schema.
        method: how the model is held to it, as in ``ChatOpenAI.with_structured_output``.
        system: the system message.
        check: the red-flag check, which outranks the model where ``schema`` is ``Triage``.
        where: the model's address, for errors.
        include_raw: give the model's message too, and what is wrong with it in place of an error.
        settings: further ones of ``ChatOpenAI.with_structured_output``, as ``strict``.
    """
    inner = model.with_structured_output(schema, method=method, include_raw=include_raw, **settings)
    triages = isinstance(schema, type) and issubclass(schema, Triage)
    task = f"{system} {TRIAGE_TASK}" if triages else system

    def prepared(given: LanguageModelInput) -> tuple[list[BaseMessage], RedFlag | None]:
        turns = as_messages(given)
        if not turns or any(isinstance(one, SystemMessage) for one in turns):
            raise AssistantError("give the person's messages alone; the system message is DoctorAssistant(system=...)")
        flag = red_flag(check, turns) if triages else None
        if flag is None:
            check_text(turns)
        return [
            SystemMessage(task),
            *(one.model_copy(update={"content": neutral(str(one.text))}) for one in turns),
        ], flag

    def finish(result: Any, flag: RedFlag | None, error: Exception | None) -> Any:
        told = result if include_raw and result is not None else {"raw": None, "parsed": result, "parsing_error": None}
        if flag is not None:
            said = told["parsed"] if isinstance(told["parsed"], Triage) else None
            told = {**told, "parsed": _urgent(said, flag, cast(type[Triage], schema))}
        elif error is not None:
            raise explained(error, where)
        elif told["parsed"] is None and not include_raw:
            raise AssistantError("the model's answer does not fit the schema")
        return told if include_raw else told["parsed"]

    def run(given: LanguageModelInput, config: RunnableConfig) -> Any:
        turns, flag = prepared(given)
        try:
            result, fault = inner.invoke(turns, config), None
        except FAULTS as error:
            result, fault = None, error
        return finish(result, flag, fault)

    async def arun(given: LanguageModelInput, config: RunnableConfig) -> Any:
        turns, flag = prepared(given)
        try:
            result, fault = await inner.ainvoke(turns, config), None
        except FAULTS as error:
            result, fault = None, error
        return finish(result, flag, fault)

    return RunnableLambda(run, afunc=arun, name="StructuredDoctor")


def _urgent(said: Triage | None, flag: RedFlag, schema: type[Triage]) -> Triage:
    """The model's triage, if it gave one, under the red flag that rules found."""
    if said is None:
        said = schema.model_construct(red_flags=[], questions=[], what_to_do=[])
    flags = [flag.category, *(one for one in said.red_flags if one != flag.category)]
    # Not validated: what rules say first may be longer than a model's line.
    return said.model_copy(
        update={"urgency": "emergency", "red_flags": flags, "what_to_do": [flag.first, *said.what_to_do]}
    )

"""The words of a conversation that wait for an answer."""

from __future__ import annotations

from langchain_core.messages import AIMessage, BaseMessage, ChatMessage, HumanMessage

from serving.conversation import red_flag, unanswered
from serving.guard import red_flags

CHEST = "I have crushing chest pain spreading to my left arm and I am sweating"


def test_words_wait_until_somebody_answers_with_words():
    call = AIMessage("", tool_calls=[{"name": "bmi", "args": {}, "id": "1"}])
    talk: list[BaseMessage] = [
        HumanMessage("a"),
        AIMessage("b"),
        HumanMessage("c"),
        call,
        ChatMessage("d", role="user"),
    ]
    assert unanswered(talk) == ["c", "d"]
    assert unanswered([ChatMessage("said by the model", role="assistant")]) == []


def test_a_persons_message_of_either_kind_is_looked_through():
    later = HumanMessage("Are you there?")
    for first in (HumanMessage(CHEST), ChatMessage(CHEST, role="user")):
        assert red_flag(red_flags, [first]) is not None
        assert red_flag(red_flags, [first, later]) is not None
        assert red_flag(red_flags, [first, AIMessage("Call for help at once."), later]) is None

"""The look-up and the interaction check answer from the bundled facts, with sources, and say what they do not know."""

from __future__ import annotations

from corpora.bundled.knowledge import load_knowledge
from serving.reference import check_interactions, known_medicines, look_up
from serving.tools import assistant_tools


def test_an_entry_is_looked_up_by_its_name_or_alias_and_brings_its_source() -> None:
    assert look_up("warfarin").passages[0].heading == "Warfarin"
    found = look_up("What is a heart attack?")
    assert {one.heading for one in found.passages} == {"Myocardial infarction", "Heart attack"}
    assert "Source: National Institute for Health and Care Excellence" in found.text()


def test_a_look_up_of_nothing_says_so() -> None:
    assert look_up("chromodynamics").text() == "The bundled facts hold nothing on 'chromodynamics'."


def test_every_interaction_between_two_medicines_of_the_facts_is_found_in_either_order() -> None:
    knowledge = load_knowledge()
    names = {one.name.lower() for one in knowledge.medicines}
    pairs = [(one.name, each.agent, each.effect) for one in knowledge.medicines for each in one.interactions]
    inside = [pair for pair in pairs if pair[1].lower() in names]
    assert len(inside) > 50
    for name, agent, effect in inside:
        for order in ([name, agent], [agent, name]):
            assert effect in {one.effect for one in check_interactions(order).found}


def test_silence_is_not_called_safety_and_unknown_names_are_named() -> None:
    check = check_interactions(["paracetamol", "moonstone"])
    assert check.found == []
    assert check.unknown == ["moonstone"]
    assert "may still interact: ask a pharmacist" in check.text()
    assert "Not in the bundled facts, so not checked as medicines: moonstone." in check.text()


def test_medicines_are_seen_in_a_sentence() -> None:
    assert known_medicines("May I take Warfarin and aspirin with alcohol, not aspirinate?") == [
        "warfarin",
        "aspirin",
        "alcohol",
    ]


def test_tools_are_what_a_langchain_model_binds() -> None:
    tools = {one.name: one for one in assistant_tools()}
    assert len(tools) >= 27
    assert all(one.description and one.args for one in tools.values())
    call = {
        "type": "tool_call",
        "id": "1",
        "name": "check_interactions",
        "args": {"medicines": ["warfarin", "aspirin"]},
    }
    message = tools["check_interactions"].invoke(call)
    assert "bleeding" in message.content
    assert message.artifact.found[0].sources
    assert "medicines" in tools["check_interactions"].invoke({"medicines": ["warfarin"]})

"""What is promised of the rendered corpora: honest splits, a fair key, the same bytes for the same seed."""

from collections import Counter

import pytest

from corpora.bundled.exam import distractors_of
from corpora.bundled.facts import facts
from corpora.bundled.render import CORPORA, render
from corpora.bundled.wording import capital
from corpora.errors import DataError
from corpora.records import Dialogue, Document, ExamItem


def dump(name: str, seed: int) -> list[str]:
    return [record.model_dump_json() for record in render(name, renderings=1, seed=seed)]


@pytest.mark.parametrize("name", CORPORA)
def test_the_same_seed_gives_the_same_bytes(name: str):
    assert dump(name, 3) == dump(name, 3)


@pytest.mark.parametrize("name", ["bundled-documents", "bundled-dialogues", "bundled-prompts"])
def test_another_seed_gives_other_training_text(name: str):
    assert dump(name, 3) != dump(name, 4)


@pytest.mark.parametrize("name", ["bundled-exam", "bundled-emergencies", "bundled-held-out", "bundled-general"])
def test_what_models_are_measured_on_is_the_same_at_every_seed(name: str):
    assert dump(name, 3) == dump(name, 4)


def training_text() -> str:
    """Everything that any stage of a run trains on."""
    texts: list[str] = []
    for record in [*render("bundled-documents", 12), *render("bundled-dialogues", 4), *render("bundled-prompts", 4)]:
        if isinstance(record, Document):
            texts.append(record.text)
        elif isinstance(record, Dialogue):
            texts += [message.content for message in record.messages]
    return "\n".join(texts).lower()


def test_no_exam_question_occurs_in_training_text():
    text = training_text()
    items = [item for item in render("bundled-exam") if isinstance(item, ExamItem)]
    assert len(items) >= 600
    for item in items:
        assert item.question.lower() not in text


def test_no_held_out_sentence_and_no_held_out_emergency_occurs_in_training_text():
    text = training_text()
    for record in render("bundled-held-out"):
        assert isinstance(record, Document)
        for sentence in record.text.split(". "):
            if len(sentence.split()) > 6 and not sentence.startswith(tuple("abcdefghijklmnopqrstuvwxyz")):
                first_aid = ("first aiders" in sentence.lower()) or ("trainers" in sentence.lower())
                assert first_aid or sentence.lower() not in text or _is_advice(sentence)
    for record in render("bundled-emergencies"):
        assert isinstance(record, Dialogue)
        assert record.messages[-2].content.lower() not in text


def _is_advice(sentence: str) -> bool:
    """Whole sentences of first aid are facts themselves; only what introduces them is a wording."""
    return any(sentence.rstrip(".!") in fact.value for fact in facts() if fact.kind == "emergencies")


def test_a_third_of_the_facts_is_told_in_documents_only():
    marked = [fact for fact in facts() if fact.documents_only]
    assert len(marked) / len(facts()) == pytest.approx(1 / 3, abs=0.01)
    assert not any(fact.field == "say_first" for fact in marked)


def test_facts_of_documents_only_are_asked_in_no_dialogue_and_no_prompt():
    marked = {fact.id for fact in facts() if fact.documents_only}
    values = {
        fact.value.lower() for fact in facts() if fact.documents_only and len(fact.items) == 1 and fact.field != "range"
    }
    taught = {fact.value.lower() for fact in facts() if not fact.documents_only}
    for name in ("bundled-dialogues", "bundled-prompts"):
        for record in render(name, 3):
            assert isinstance(record, Dialogue)
            assert record.id.split("/", 2)[2] not in marked
            assert record.meta.get("fact") not in marked
            answers = " ".join(message.content for message in record.messages if message.role == "assistant").lower()
            for value in values - taught:
                if len(value) > 25:
                    assert value not in answers


def test_every_fact_occurs_in_the_documents():
    told = "\n".join(record.text for record in render("bundled-documents", 12) if isinstance(record, Document)).lower()
    for fact in facts():
        assert all(item.lower().rstrip(".!") in told for item in fact.items), fact


def test_the_key_is_balanced_and_every_item_has_four_different_options():
    items = [item for item in render("bundled-exam") if isinstance(item, ExamItem)]
    counts = Counter(item.answer for item in items)
    assert max(counts.values()) - min(counts.values()) <= 0.05 * len(items)
    for item in items:
        assert len(set(item.options)) == 4
    assert sum(item.meta["documents_only"] for item in items) / len(items) == pytest.approx(1 / 3, abs=0.02)


def test_the_right_option_is_the_fact_and_the_others_are_the_same_field_of_other_entries():
    by_id = {fact.id: fact for fact in facts()}
    values = {(fact.kind, fact.field, fact.documents_only, capital(fact.value)) for fact in facts()}
    for item in render("bundled-exam"):
        assert isinstance(item, ExamItem)
        fact = by_id[item.meta["fact"]]
        assert item.options[item.answer] == capital(fact.value)
        for option in item.options:
            assert (fact.kind, fact.field, fact.documents_only, option) in values


def test_no_distractor_is_right_as_well():
    import random

    for fact in facts()[:300]:
        pool = [other for other in facts() if (other.kind, other.field) == (fact.kind, fact.field)]
        chosen = distractors_of(fact, pool, random.Random(0))
        if chosen and fact.field != "range":
            words = {word for word in fact.value.lower().split() if len(word) > 4}
            assert all(not words & set(option.lower().split()) for option in chosen)


def test_dialogues_are_of_several_kinds():
    dialogues = [record for record in render("bundled-dialogues") if isinstance(record, Dialogue)]
    assert any(dialogue.messages[0].role == "system" for dialogue in dialogues)
    assert any(dialogue.messages[0].role == "user" for dialogue in dialogues)
    assert any(sum(message.role == "user" for message in dialogue.messages) > 1 for dialogue in dialogues)


def test_an_unknown_corpus_is_named():
    with pytest.raises(DataError, match="bundled-docs"):
        list(render("bundled-docs"))


def test_capital():
    assert capital("asthma") == "Asthma"

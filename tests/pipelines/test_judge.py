"""The judge puts right above wrong, whole above half, referral above advice, and an invented dose last."""

import pytest

from corpora.records import Dialogue, Message
from pipelines.judge import INVENTED_DOSE, judge
from pipelines.preferences import pair
from serving.sampling import Sample

QUESTION = "What are the symptoms of appendicitis?"
REFERENCE = "Typical symptoms of appendicitis are loss of appetite and pain moving to the right."
META = {"judge": "fact", "items": ["loss of appetite", "pain moving to the right"]}


def score(answer: str, finished: bool = True) -> float:
    return judge(QUESTION, REFERENCE, answer, finished, META)


def test_the_reference_scores_one():
    assert score(REFERENCE) == pytest.approx(1.0)


def test_the_order_of_answers():
    half = "Typical symptoms of appendicitis are loss of appetite."
    wrong = "Typical symptoms of appendicitis are blue toes and hiccups."
    assert score(REFERENCE) > score(REFERENCE, finished=False) > score(half) > score(wrong)
    assert score("Loss of appetite and pain moving to the right. Take 500 mg.") == INVENTED_DOSE


def test_an_emergency_is_judged_by_its_referral():
    meta = {"judge": "emergency"}
    reference = "Call the emergency number now; this may be a stroke."
    assert judge("A drooping face!", reference, reference, True, meta) == pytest.approx(1.0)
    other = judge(
        "A drooping face!", reference, "Call the emergency number now; this may be a heart attack.", True, meta
    )
    assert 0.6 < other < 1.0
    assert judge("A drooping face!", reference, "Have a rest.", True, meta) == 0.0


def dialogue() -> Dialogue:
    messages = [Message(role="user", content=QUESTION), Message(role="assistant", content=REFERENCE)]
    return Dialogue(id="1", messages=messages, meta=META)


def test_best_and_worst_become_a_pair():
    drawn = [Sample("Hiccups.", True), Sample(REFERENCE, True), Sample("Loss of appetite.", True)]
    kept, scores = pair(dialogue(), drawn, 0.2)
    assert kept is not None
    assert kept.chosen == REFERENCE
    assert kept.rejected == "Hiccups."
    assert [message.role for message in kept.prompt] == ["user"]
    assert len(scores) == 3


def test_answers_that_are_too_close_make_no_pair():
    assert pair(dialogue(), [Sample(REFERENCE, True), Sample(REFERENCE, True)], 0.2)[0] is None

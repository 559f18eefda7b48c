"""The judge puts right above wrong, whole above half, referral above advice, and an invented dose last."""

import pytest

from pipelines.preference_data.facts import INVENTED_DOSE, judge

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

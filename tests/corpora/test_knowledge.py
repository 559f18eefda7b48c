"""The bundled facts: enough of them, each with a source, none with a dose, and clear errors for a broken file."""

from pathlib import Path

import pytest

from corpora.bundled.facts import facts
from corpora.bundled.knowledge import load_knowledge
from corpora.errors import DataError
from evals.safety import refers_first, states_dose


def test_there_are_as_many_entries_as_promised():
    knowledge = load_knowledge()
    assert len(knowledge.conditions) >= 150
    assert len(knowledge.medicines) >= 150
    assert len(knowledge.laboratory_tests) >= 60
    assert len(knowledge.emergencies) >= 40


def test_every_entry_cites_a_source_with_a_title_and_a_body():
    knowledge = load_knowledge()
    for kind in ("conditions", "medicines", "laboratory_tests", "emergencies"):
        for entry in getattr(knowledge, kind):
            assert entry.sources, entry.id
            for key in entry.sources:
                assert knowledge.sources[key].title
                assert knowledge.sources[key].body


def test_no_fact_states_a_dose():
    for fact in facts():
        if fact.field not in ("range", "tests"):
            assert not states_dose(fact.value), fact


def test_every_emergency_refers_first():
    for emergency in load_knowledge().emergencies:
        assert refers_first(emergency.say_first), emergency.say_first


def test_every_laboratory_test_has_a_unit_and_a_limit():
    for test in load_knowledge().laboratory_tests:
        assert test.unit
        assert test.low is not None or test.high is not None


BROKEN = {
    "cites the source 'nowhere'": ("sources: [book]", "sources: [nowhere]"),
    "field measures": ("measures: cells", "measure: cells"),
    "lower limit that is not below": ("low: 1", "low: 9"),
    "already in": ("  - id: other", "  - id: count"),
}


@pytest.mark.parametrize("message", BROKEN)
def test_a_broken_file_is_named_with_its_entry(tmp_path: Path, message: str):
    good = """
sources:
  book: {title: A book, body: A press}
laboratory_tests:
  - id: count
    name: Count
    specimen: blood
    measures: cells
    low: 1
    high: 3
    unit: g/L
    sources: [book]
  - id: other
    name: Other
    specimen: blood
    measures: salts
    high: 3
    unit: g/L
    sources: [book]
"""
    path = tmp_path / "tests.yaml"
    path.write_text(good)
    assert len(load_knowledge(tmp_path).laboratory_tests) == 2
    path.write_text(good.replace(*BROKEN[message], 1))
    with pytest.raises(DataError, match=message) as caught:
        load_knowledge(tmp_path)
    assert "tests.yaml" in str(caught.value)
    assert "'count'" in str(caught.value)


def test_an_empty_folder_is_an_error(tmp_path: Path):
    with pytest.raises(DataError, match="no knowledge files"):
        load_knowledge(tmp_path)

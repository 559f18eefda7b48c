"""The linear reader beside the rules: what it weighs, how it is fitted, and that its weights are those of the written examples."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from corpora.errors import DataError
from serving.triage import triage
from serving.triage.detector import read_piece
from serving.triage.features import DIMENSIONS, features, slot
from serving.triage.fit import BY_RULES, FLOOR, importance, main, read_examples, table
from serving.triage.learned import WEIGHTS, WINDOW, judge, load_weights, windows

VIGNETTES = Path(__file__).parent / "triage_vignettes"


def weighed(text: str) -> dict[str, tuple[int, ...]]:
    reading, found = read_piece(text)
    return dict(features(reading, found))


def test_a_denied_word_is_weighed_apart_from_a_said_one():
    said, denied = weighed("crushing chest pain"), weighed("no crushing chest pain")
    assert {"w:chest", "w0:chest", "b:chest_pain", "C:chest_pain", "R:found", "F:heart-attack"} <= said.keys()
    assert {"w:chest", "w:n:chest", "D:chest_pain", "R:silent"} <= denied.keys()
    assert not {"w0:chest", "C:chest_pain", "F:heart-attack"} & denied.keys()
    assert said["b:chest_pain"] == (1, 2)


def test_windows_cover_every_token_and_a_short_message_is_one():
    assert windows(0) == [(0, 0)]
    assert windows(WINDOW) == [(0, WINDOW)]
    for length in (WINDOW + 1, 500, 1001):
        found = windows(length)
        assert found[0][0] == 0
        assert found[-1][1] == length
        assert all(later[0] < earlier[1] for earlier, later in itertools.pairwise(found))


def test_a_sentence_with_a_sign_is_weighed_apart_from_a_question_on_what_the_signs_are():
    assert not triage("What are the signs of a stroke?").emergency
    assert triage("What are the signs of a stroke? My mum's face just dropped and she slurs").emergency


def test_importance_is_the_log_count_ratio_by_the_root_of_the_inverse_frequency():
    rows = table([["w:pain"], ["w:pain"], ["w:tea"], ["w:pain", "w:tea"]], DIMENSIONS)
    found = importance(rows, np.array([True, True, False, False]))
    # "pain" is in 2 of 2 emergencies and 1 of 2 others: ratio (2+1)/2 over (1+1)/2, in 3 of 4 messages.
    expected = (math.log(1.5) + FLOOR) * math.sqrt(math.log(5 / 4) + FLOOR)
    assert found[slot("w:pain", DIMENSIONS)] == pytest.approx(expected)
    # "tea": 0 + 1 of 2 over 2 + 1 of 2, in 2 of 4 messages.
    expected = (math.log(3.0) + FLOOR) * math.sqrt(math.log(5 / 3) + FLOOR)
    assert found[slot("w:tea", DIMENSIONS)] == pytest.approx(expected)
    assert found[slot(BY_RULES[0], DIMENSIONS)] == found[slot(BY_RULES[1], DIMENSIONS)]


def test_examples_are_of_known_emergencies_and_none_is_a_vignette_of_the_tests():
    examples = read_examples()
    texts = {text for _, _, text in examples}
    assert len(texts) == len(examples)
    vignettes = {
        line.split("\t")[-1]
        for path in VIGNETTES.glob("*.tsv")
        for line in path.read_text(encoding="utf-8").splitlines()
    }
    assert not texts & vignettes
    assert sum(category == "none" for category, _, _ in examples) > 4000
    assert {category for category, _, _ in examples} - {"none"} == set(load_weights().categories)


@pytest.mark.parametrize("line", ["heart-attack\tmy chest", "heart-atack\tplain\tmy chest", "none\tmild\ta\tb"])
def test_a_bad_example_is_named(tmp_path: Path, line: str):
    (tmp_path / "a.tsv").write_text(f"none\tmild\ta cold\n{line}\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.tsv, line 2"):
        read_examples(tmp_path)


def test_missing_weights_are_named(tmp_path: Path):
    with pytest.raises(DataError, match=r"serving\.triage\.fit"):
        load_weights(tmp_path / "none.npz")


def test_letters_in_which_no_sign_is_known_are_no_emergency():
    """Of 200 lines of 100 random bytes 34 were alarms, most of them for single letters that stand in "don't" and "I'm"."""
    reading, found = read_piece("t n m f h")
    assert not reading.hits
    opinion = judge(reading, found)
    assert opinion.probability > load_weights().threshold
    assert not opinion.emergency


def test_an_opinion_says_which_words_it_rests_on():
    text = "Half of my face went slack over breakfast and my tea just ran out of the corner"
    reading, found = read_piece(text)
    opinion = judge(reading, found)
    assert opinion.emergency
    assert opinion.category == "stroke"
    assert {reading.text.tokens[token] for token in opinion.tokens} & {"face", "slack"}
    finding = triage(text)
    assert all(text[match.start : match.end] == match.text for match in finding.matches)


@pytest.mark.slow
def test_the_weights_are_those_of_the_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made = tmp_path / "weights.npz"
    monkeypatch.setattr("sys.argv", ["fit", "--output", str(made)])
    main()
    with np.load(made) as new, np.load(WEIGHTS) as kept:
        assert set(new.files) == set(kept.files)
        assert list(new["categories"]) == list(kept["categories"])
        assert float(new["threshold"]) == pytest.approx(float(kept["threshold"]), abs=0.01)
        np.testing.assert_allclose(new["emergency"], kept["emergency"], atol=0.05)

"""ROUGE, similarity and coverage: against rouge_score, by hand, and as ``evaluate`` modules that need no network."""

from pathlib import Path

import evaluate
import pytest
import torch
from rouge_score import rouge_scorer

import evals.metrics
from corpora.errors import OslerError
from evals.reading.quantities import Quantity, quantities
from evals.text_metrics.coverage import bundled_statements, coverage, share
from evals.text_metrics.rouge import rouge
from evals.text_metrics.similarity import Similarity, greedy_match

MODULES = Path(evals.metrics.__file__).parent
PAIRS = [
    ("The cat sat on the mat.", ["The cat was on the mat.", "A dog."]),
    ("Vitamin C treats scurvy", ["Scurvy is treated by vitamin C, which fruits contain."]),
    ("", ["Something."]),
]


def load(name: str, folder: Path):
    return evaluate.load(str(MODULES / f"{name}.py"), cache_dir=str(folder))


def test_rouge_is_that_of_rouge_score_with_the_best_reference():
    scorer = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
    for answer, references in PAIRS:
        each = [scorer.score(reference, answer) for reference in references]
        expected = {name: max(one[name].fmeasure for one in each) for name in ("rouge1", "rouge2", "rougeL")}
        assert rouge(answer, references) == pytest.approx(expected)


def test_rouge_by_hand_in_english_and_chinese():
    # Unigrams: the, cat, on, the, mat of six on each side; bigrams "the cat", "on the", "the mat" of five; the longest common run of six is five.
    assert rouge(*PAIRS[0]) == pytest.approx({"rouge1": 5 / 6, "rouge2": 3 / 5, "rougeL": 5 / 6})
    # 维生素C and 维生素c治坏血病: c, 维, 生, 素 of 4 and of 8 characters.
    found = rouge("维生素Ｃ", ["維生素c治坏血病"], "zh")
    assert found == pytest.approx({"rouge1": 2 * 4 / 12, "rouge2": 2 * 3 / 10, "rougeL": 2 * 4 / 12})
    assert rouge("维生素", ["维生素"])["rouge1"] == 1.0  # rouge_score's own tokenizer would find no word
    assert rouge("α-Fetoprotein is raised", ["Fetoproteins raise α"])["rouge1"] == pytest.approx(
        2 * 2 / 5
    )  # stemmed as English


def test_bertscores_formula_by_hand():
    # Three answer tokens, two of the reference; cosines [[1, 0], [0.6, 0.8], [0, -1]].
    answer = torch.tensor([[2.0, 0.0], [0.6, 0.8], [0.0, -3.0]])
    reference = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    found = greedy_match(answer, reference)
    precision, recall = (1 + 0.8 + 0) / 3, (1 + 0.8) / 2
    assert found.precision == pytest.approx(precision)
    assert found.recall == pytest.approx(recall)
    assert found.f1 == pytest.approx(2 * precision * recall / (precision + recall))
    assert greedy_match(torch.empty(0, 2), reference).f1 == 0.0


@pytest.fixture(scope="module")
def similarity(tiny_model: Path) -> Similarity:
    return Similarity(tiny_model)


def test_similarity_is_one_for_the_same_text_and_less_for_another(similarity: Similarity):
    same, other, empty = similarity.matches(
        ["Vitamin C treats scurvy.", "Vitamin C treats scurvy.", ""],
        [["It rains.", "Vitamin C treats scurvy."], ["Die Katze schläft lange."], ["Something."]],
    )
    assert same.f1 == pytest.approx(1.0, abs=1e-5)
    assert other.f1 < 0.99
    assert empty.f1 == 0.0
    with pytest.raises(ValueError, match="needs a reference"):
        similarity.matches(["x"], [[]])


def test_batches_and_padding_change_nothing(similarity: Similarity, tiny_model: Path):
    texts = [
        "short",
        "a much longer text than the others, with many words in it",
        "坏血病",
        "middle sized text",
        "long " * 900,
    ]
    alone = Similarity(tiny_model, batch_size=1)
    for one, other in zip(similarity.embedded(texts), alone.embedded(texts), strict=True):
        assert torch.allclose(one, other, atol=1e-5)
    assert len(alone.embedded(texts)[-1]) <= alone.longest


def test_a_folder_without_a_model_or_a_layer_that_is_none_is_told(tmp_path: Path, tiny_model: Path):
    with pytest.raises(OslerError, match="no model is here"):
        Similarity(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(OslerError, match="cannot load"):
        Similarity(tmp_path)
    with pytest.raises(OslerError, match="has 2 layers, and layer 9"):
        Similarity(tiny_model, layer=9)


def test_coverage_wants_the_words_and_the_quantities():
    assert share("Adults take 500 mg twice daily", "An adult takes 500 mg, twice daily.") == 1.0
    assert share("Adults take 500 mg twice daily", "An adult takes 50 mg, twice daily.") == 0.0
    assert share("Adults take 500 mg twice daily", "Nothing of this.") == 0.0
    assert coverage(
        "Scurvy is treated with vitamin C.", ["Scurvy is treated with vitamin C", "Fruit holds vitamins", "Rain is wet"]
    ) == pytest.approx(1 / 3)
    assert coverage("坏血病用维生素C治疗。", ["维生素C治疗坏血病", "感冒很常见"]) == 0.5
    with pytest.raises(ValueError, match="at least one statement"):
        coverage("x", [])


def test_the_modules_load_without_a_network(tmp_path: Path, tiny_model: Path):
    answers, references = ["Vitamin C treats scurvy"], [["Scurvy is treated with vitamin C"]]
    assert load("rouge", tmp_path).compute(predictions=answers, references=references) == pytest.approx(
        rouge(answers[0], references[0])
    )
    found = load("token_similarity", tmp_path).compute(
        predictions=answers, references=references, model=str(tiny_model)
    )
    assert found["f1"] == pytest.approx(Similarity(tiny_model).matches(answers, references)[0].f1)
    covered = load("fact_coverage", tmp_path).compute(predictions=answers, references=references)
    assert covered == {"coverage": 1.0, "statements": 1}


def test_coverage_of_the_bundled_facts(tmp_path: Path):
    facts = bundled_statements("Asthma")
    assert len(facts) > 5
    metric = load("fact_coverage", tmp_path)
    whole = metric.compute(predictions=["; ".join(facts)], references=[["asthma"]], bundled=True)
    assert whole == {"coverage": 1.0, "statements": len(facts)}
    assert metric.compute(predictions=["It rains."], references=[["asthma"]], bundled=True)["coverage"] == 0.0
    with pytest.raises(ValueError, match="no entry called 'Xyz'"):
        bundled_statements("Xyz")


def test_no_number_of_thousands_begins_with_0():
    assert quantities("0,125 mg of digoxin") == quantities("0.125 mg of digoxin") == {Quantity("", "0.125", "mg")}
    assert quantities("每日0,125毫克") == {Quantity("", "0.125", "mg/day")}
    assert quantities("1.234,5 mg") == quantities("1,234.5 mg") == {Quantity("", "1234.5", "mg")}
    assert quantities("1,000 mg and 10,500 mg") == {Quantity("", "1000", "mg"), Quantity("", "10500", "mg")}


def test_thousands_may_be_parted_by_spaces_where_they_cannot_be_two_numbers():
    assert quantities("10 000 units") == quantities("10\u202f000 units") == {Quantity("", "10000", "unit")}
    assert quantities("1\u2009250 mg") == {Quantity("", "1250", "mg")}
    assert Quantity("", "500", "mg") in quantities("take 2 500 mg tablets")

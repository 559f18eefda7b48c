"""Pairs from scored answers: the right ones, of the right length, each prompt accounted for; scores by each of the four scorers."""

import json
import random
from pathlib import Path

import pytest
import torch
from pydantic import TypeAdapter
from transformers import AutoModelForSequenceClassification

import pipelines.preferences
from corpora.errors import DataError
from corpora.records import Dialogue, ExamItem, Message
from pipelines import loading
from pipelines.artifact import Draft
from pipelines.config import Pairing, PreferencesStage, RecipeError, Stage, load_recipe, named_models
from pipelines.data import Sources
from pipelines.preference_data.pairing import ALIKE, EMPTY, NEAR, NO_SCORE, TOO_LONG, paired
from pipelines.preference_data.report import Answers, correlation, within
from pipelines.preference_data.scorers import stated_score
from pipelines.preferences import preferences
from pipelines.synthesis.teacher import TeacherError
from serving.vllm.sampling import Sample
from tests.pipelines.scripted import Say, endpoint

RIGHT = "Typical symptoms are loss of appetite and pain moving to the right."
ITEM = ExamItem(id="i1", question="Which is a vitamin?", options=["Iron", "Ascorbic acid", "Zinc"], answers=[1])


def pick(texts: str, scores: list[float | None], margin: float = 0.2, lengths: list[int] | None = None, **pairing):
    words = texts.split(" ")
    lengths = lengths or [len(word) for word in words]
    words = [word.strip("_") for word in words]
    return paired(words, scores, lengths, Pairing(**pairing), margin, random.Random(0))


def test_best_and_worst_become_a_pair():
    assert pick("aa bb cc", [0.1, 0.9, 0.5]) == ([(1, 0)], "")
    assert pick("aa bb cc dd", [0.9, 0.1, 0.9, 0.1]) == ([(0, 1)], "")  # the first of equals
    assert pick("aa bb cc", [None, 0.9, 0.5]) == ([(1, 2)], "")


def test_each_prompt_without_a_pair_says_why():
    assert pick("aa bb cc", [0.5, None, None])[1] == NO_SCORE
    assert pick("aa bb cc", [0.5, 0.5, 0.5])[1] == ALIKE
    assert pick("aa bb cc", [0.5, 0.6, 0.55])[1] == NEAR
    assert pick("aa aa", [0.1, 0.9])[1] == NEAR  # the same text twice
    assert pick("a bbbb", [0.1, 0.9], max_length_ratio=2)[1] == TOO_LONG
    assert pick("aa _", [0.9, 0.1])[1] == EMPTY


def test_an_empty_answer_does_not_stand_in_the_way_of_the_others():
    assert pick("aa _ cc", [0.9, 0.1, 0.5]) == ([(0, 2)], "")
    assert pick("_ bb cc", [0.9, 0.1, 0.5]) == ([(2, 1)], "")


def test_a_margin_of_just_min_margin_is_enough():
    assert pick("aa bb", [0.3, 0.1]) == ([(0, 1)], "")  # 0.3 - 0.1 is 0.19999999999999998
    assert pick("aa bb", [0.3, 0.1001])[1] == NEAR


def test_best_against_random_draws_among_those_far_enough_below():
    drawn = {
        paired(list("abcd"), [1.0, 0.9, 0.5, 0.1], [1] * 4, Pairing(take="best_random"), 0.3, random.Random(seed))[0][0]
        for seed in range(40)
    }
    assert drawn == {(0, 2), (0, 3)}


def test_all_pairs_above_the_margin_the_widest_first():
    assert pick("aa bb cc", [1.0, 0.6, 0.1], take="all") == ([(0, 2), (1, 2), (0, 1)], "")
    assert pick("aa bb cc", [1.0, 0.6, 0.1], margin=0.45, take="all")[0] == [(0, 2), (1, 2)]
    assert pick("aa bb cc", [1.0, 0.6, 0.1], take="all", max_pairs=1)[0] == [(0, 2)]
    assert pick("aa aa cc", [1.0, 1.0, 0.1], take="all")[0] == [(0, 2)]  # the same pair of texts once


def test_a_chosen_answer_is_at_most_so_many_times_as_long_as_the_rejected():
    scores, lengths = [1.0, 0.8, 0.1], [90, 30, 20]
    assert pick("aa bb cc", scores, lengths=lengths)[0] == [(0, 2)]
    assert pick("aa bb cc", scores, lengths=lengths, max_length_ratio=1.5)[0] == [(1, 2)]
    for ratio in (1.5, 2.0, 5.0):
        for chosen, rejected in pick("aa bb cc", scores, lengths=lengths, take="all", max_length_ratio=ratio)[0]:
            assert lengths[chosen] <= ratio * lengths[rejected]


def test_among_near_equal_scores_the_nearest_in_length_is_chosen():
    scores, lengths = [1.0, 0.97, 0.5, 0.1], [90, 25, 21, 20]
    assert pick("aa bb cc dd", scores, lengths=lengths, near=0.05)[0] == [(1, 3)]
    assert pick("aa bb cc dd", scores, lengths=lengths, near=0.01)[0] == [(0, 3)]


def test_length_bias_within_prompts_is_told_from_that_between_prompts():
    # Prompts with long answers score high; within each, the longer answer scores less.
    answers = [Answers("x", [0.9, 1.0], [101, 99], []), Answers("x", [0.1, 0.2], [11, 9], [])]
    everything = [point for one in answers for point in one.scored()]
    assert correlation(everything) > 0.9
    assert correlation(within(answers)) == -1
    assert correlation([(1.0, 1), (1.0, 2)]) is None


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ("Right and safe.\nScore: 8", 8),
        ("**Score: 10**", 10),
        ("**Score:** 8", 8),
        ("Score: **6**/10.", 6),
        ("评分：8分。", 8),
        ("Score: 8.5", None),
        ("Score: 8-9", None),
        ("Score: 85", None),
        ("Short.\nscore: 7/10\n", 7),
        ("正确。\n评分：9", 9),
        ("<think>Score: 2?</think>Good.\nScore: 9", 9),
        ("Score: 0", None),
        ("Score: 11", None),
        ("Score: 7.5", None),
        ("Score: 7 of 10", None),
        ("Score: seven", None),
        ("7", None),
        ("8/10", None),
        ("Score: 8\nOr so.", None),
        ("Score: 3\nScore: 8", None),
        ("I would say Score: 8", None),
        ("", None),
        ("<think>Score: 8", None),
    ],
)
def test_a_score_is_parsed_strictly(reply: str, value: int | None):
    assert stated_score(reply) == value


# --- the stage, on answers that were drawn before


def stage(folder: Path, records: list, key: str = "prompts", **block) -> PreferencesStage:
    path = folder / "prompts.jsonl"
    path.write_text("\n".join(record.model_dump_json() for record in records))
    made: PreferencesStage = TypeAdapter(Stage).validate_python(
        {"kind": "preferences", "model": "base", key: {"name": str(path)}, **block}
    )
    return made


def dialogue(identifier: str, question: str = "What are the symptoms?", answer: str = RIGHT, **meta) -> Dialogue:
    messages = [Message(role="user", content=question), Message(role="assistant", content=answer)]
    return Dialogue(id=identifier, messages=messages, meta=meta)


def drawn(draft: Draft, *answers: list[str]) -> None:
    """Puts answers where a run that was cut after sampling has left them."""
    samples = [[(text, True) for text in texts] for texts in answers]
    figures = {"vllm_start_seconds": 1.0, "vllm_memory_gib": 1.0}
    (draft.checkpoints / "samples.json").write_text(json.dumps({"samples": samples, "figures": figures}))


def pairs_of(draft: Draft) -> list[dict]:
    return [json.loads(line) for line in (draft.folder / "records.jsonl").read_text().splitlines()]


def test_facts_score_by_default_and_every_prompt_is_accounted_for(tmp_path: Path, draft, sources, tiny_model: Path):
    prompts = [dialogue("good"), dialogue("alike"), dialogue("near"), dialogue("empty")]
    drawn(
        draft,
        ["Hiccups.", RIGHT, "Loss of appetite."],
        [RIGHT] * 3,
        [RIGHT, "Typical symptoms are loss of appetite and pain moving to the left.", RIGHT],
        [RIGHT, "", RIGHT],
    )
    preferences(stage(tmp_path, prompts, samples=3), 0, tiny_model, sources, draft)
    (kept,) = pairs_of(draft)
    assert (kept["chosen"], kept["rejected"]) == (RIGHT, "Hiccups.")
    assert kept["prompt"] == [{"role": "user", "content": "What are the symptoms?"}]
    metrics = draft.metrics
    (step,) = metrics["waterfall"]
    assert step["in"] == 4 == step["kept"] + sum(step["dropped"].values())
    assert step["dropped"] == {ALIKE: 1, NEAR: 1, EMPTY: 1}
    assert metrics["pairs"] == 1
    assert metrics["ties"] == 1
    assert metrics["length"]["chosen_longer"] == 1.0
    assert metrics["kinds"]["other"]["prompts"] == 4
    page = (draft.folder / "preferences.md").read_text()
    assert "| with a pair | 1 |" in page
    assert "Hiccups." in page
    assert (draft.folder / "preferences.png").stat().st_size > 5000
    assert "data:image/png;base64," in (draft.folder / "preferences.html").read_text()


def test_verifiers_score_exam_items_by_their_key(tmp_path: Path, draft, sources, tiny_model: Path):
    drawn(draft, ["The answer is A.", "Answer: B", "A vitamin is a vitamin B thing."])
    block = {"scorer": {"by": "verifier", "rewards": {"right_option": 1.0}}, "samples": 3}
    preferences(stage(tmp_path, [ITEM], "items", **block), 0, tiny_model, sources, draft)
    (kept,) = pairs_of(draft)
    assert (kept["chosen"], kept["rejected"]) == ("Answer: B", "The answer is A.")
    assert kept["prompt"][0]["content"].endswith("A. Iron\nB. Ascorbic acid\nC. Zinc")
    assert draft.metrics["mean_score"] == pytest.approx(1 / 3, abs=1e-4)


def test_no_pair_at_all_says_what_became_of_the_prompts(tmp_path: Path, draft, sources, tiny_model: Path):
    drawn(draft, [RIGHT, RIGHT], ["Hiccups.", "Hiccups."])
    with pytest.raises(DataError, match=rf"none of 2 prompts gave a pair with min_margin 0\.2 \(2 {ALIKE}\)"):
        preferences(stage(tmp_path, [dialogue("a"), dialogue("b")], samples=2), 0, tiny_model, sources, draft)


def test_a_reward_model_scores_what_it_was_made_to_like(tmp_path: Path, draft, sources, tiny_model: Path):
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(tiny_model, num_labels=1)
    place = tmp_path / "reward"
    model.save_pretrained(place)
    loading.load_tokenizer(tiny_model).save_pretrained(place)
    texts = ["One answer.", "Quite another answer than that.", "", "A third."]
    drawn(draft, texts)
    block = {"scorer": {"by": "reward", "model": str(place), "batch": 2}, "min_margin": 0.0}
    preferences(stage(tmp_path, [dialogue("a")], **block), 0, tiny_model, sources, draft, str(place))
    (kept,) = pairs_of(draft)

    tokenizer = loading.load_tokenizer(place)

    def alone(text: str) -> float:
        messages = [{"role": "user", "content": "What are the symptoms?"}, {"role": "assistant", "content": text}]
        ids = tokenizer.apply_chat_template(messages, return_tensors="pt", return_dict=True)["input_ids"]
        with torch.no_grad():
            return float(model.eval()(input_ids=ids).logits)

    scores = {text: alone(text) for text in texts if text}
    assert kept["chosen"] == max(scores, key=scores.__getitem__)
    assert kept["rejected"] == min(scores, key=scores.__getitem__)
    assert kept["meta"]["chosen_score"] == pytest.approx(scores[kept["chosen"]], abs=0.02)
    assert draft.metrics["unscored"] == {"empty answer": 1}


# --- the judge, behind a real socket


def judge_block(url: str, **more) -> dict:
    scorer = {"by": "judge", "teacher": {"url": url, "name": "a-judge"}, "backoff": 0.01, "retries": 1, **more}
    return {"scorer": scorer, "min_margin": 2.0, "samples": 3}


def grade(asked, before: int) -> str:
    answer = asked.prompt.split("<answer>")[1].split("</answer>")[0].strip()
    return {"good": "Fine.\nScore: 9", "bad": "Wrong.\nScore: 2", "odd": "It depends."}.get(answer, "Score: 5")


def test_a_judge_scores_each_answer_by_itself(tmp_path: Path, draft, sources, tiny_model: Path):
    drawn(draft, ["bad", "good", "good"], ["odd", "good", ""], ["good", "fair", "bad"])
    prompts = [dialogue("a"), dialogue("b"), dialogue("c", "阑尾炎有什么症状？", "食欲不振。")]
    with endpoint(grade) as teacher:
        made = stage(tmp_path, prompts, **judge_block(teacher.url, criteria="Our own rule.", concurrency=2))
        preferences(made, 0, tiny_model, sources, draft)
    assert len(teacher.asked) == 7  # answers that are alike are asked about once, empty ones never
    assert (
        sum("Score: " in prompt and "Our own rule." in prompt and RIGHT in prompt for prompt in teacher.prompts()) == 4
    )
    assert sum("评分：" in prompt and "食欲不振" in prompt for prompt in teacher.prompts()) == 3
    found = {pair["id"]: (pair["chosen"], pair["rejected"]) for pair in pairs_of(draft)}
    assert found == {"a": ("good", "bad"), "c": ("good", "bad")}
    assert draft.metrics["unscored"] == {"no score in the reply": 1, "empty answer": 1}
    assert draft.metrics["waterfall"][0]["dropped"] == {NO_SCORE: 1}
    assert draft.metrics["spent"]["requests"] == 7
    assert draft.metrics["judge"] == "a-judge"


def test_a_judge_that_gives_no_score_is_asked_again_as_often_as_the_recipe_says(
    tmp_path: Path, draft, sources, tiny_model: Path
):
    drawn(draft, ["bad", "good"])
    with endpoint(lambda asked, before: grade(asked, before) if before else "Hm.") as teacher:
        preferences(
            stage(tmp_path, [dialogue("a")], **judge_block(teacher.url, max_tries=2)), 0, tiny_model, sources, draft
        )
    assert len(teacher.asked) == 4
    assert len({asked.seed for asked in teacher.asked}) == 4


def test_a_run_that_was_cut_asks_the_judge_for_the_rest_only(tmp_path: Path, draft, sources, tiny_model: Path):
    drawn(draft, ["good", "bad", "fair"])
    prompts = [dialogue("a")]

    def breaks(asked, before: int):
        return grade(asked, before) if "\ngood\n" in asked.prompt else Say(status=401)

    with endpoint(breaks) as teacher:
        block = judge_block(teacher.url, concurrency=1)
        with pytest.raises(TeacherError, match="refused the key"):
            preferences(stage(tmp_path, prompts, **block), 0, tiny_model, sources, draft)
        teacher.script = grade
        preferences(stage(tmp_path, prompts, **block), 0, tiny_model, sources, draft)
    asked = [prompt.split("<answer>\n")[1].split("\n</answer>")[0] for prompt in teacher.prompts()]
    assert asked == ["good", "bad", "bad", "fair"]
    assert draft.metrics["requests_of_this_run"] == 2


def test_a_judge_beyond_its_cost_is_not_asked(tmp_path: Path, draft, sources, tiny_model: Path):
    drawn(draft, ["bad", "good", "fair"])
    with endpoint(grade) as teacher:
        price = {"url": teacher.url, "name": "a-judge", "price_per_million": {"input": 1000, "output": 1000}}
        block = judge_block(teacher.url, teacher=price, max_cost=0.01)
        with pytest.raises(RecipeError, match="nothing was sent"):
            preferences(stage(tmp_path, [dialogue("a")], **block), 0, tiny_model, sources, draft)
    assert not teacher.asked


# --- recipes

RECIPE = """
name: mine
base_model: bundled:osler-nano-base
stages:
  sft:
    kind: sft
    model: base
    corpora: [{name: bundled-dialogues}]
  preferences:
    kind: preferences
    model: sft
    prompts: {name: bundled-prompts, limit: 8}
  dpo:
    kind: dpo
    model: sft
    preferences: {name: preferences}
  final:
    kind: merge
    models: {sft: 0.2, dpo: 0.8}
  exam:
    kind: exam
    models: [sft, dpo-1, dpo, final]
    chat: [dpo]
repeat: {stages: [preferences, dpo], times: 3}
serve: {model: dpo}
"""


def test_rounds_are_written_out_into_ordinary_stages(tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.write_text(RECIPE)
    recipe = load_recipe(str(path))
    stages = recipe.stages
    rounds = [f"{name}-{number}" for number in (1, 2, 3) for name in ("preferences", "dpo")]
    assert list(stages) == ["sft", *rounds, "final", "exam"]
    assert [stages[name].model for name in rounds] == ["sft", "sft", "dpo-1", "dpo-1", "dpo-2", "dpo-2"]
    assert [stages[f"dpo-{n}"].preferences.name for n in (1, 2, 3)] == [f"preferences-{n}" for n in (1, 2, 3)]
    assert [stages[f"preferences-{n}"].round for n in (1, 2, 3)] == [1, 2, 3]
    assert stages["final"].models == {"sft": 0.2, "dpo-3": 0.8}
    assert stages["exam"].models == ["sft", "dpo-1", "dpo-3", "final"]
    assert stages["exam"].chat == ["dpo-3"]
    assert recipe.serve is not None
    assert recipe.serve.model == "dpo-3"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "[preferences, dpo], t",
            "[preferences, dppo], t",
            r"repeat\.stages: no stage is called 'dppo'; did you mean 'dpo'\?",
        ),
        ("[preferences, dpo], t", "[dpo, preferences], t", "must follow each other"),
        ("[preferences, dpo], t", "[preferences], t", "one of them must train it"),
        ("times: 3", "times: 1", r"repeat\.times: .*greater than or equal to 2"),
        ("  final:", "  dpo-2:", "a stage is already called 'dpo-2'"),
        ("limit: 8}", "limit: 8}\n    scorer: {by: verfier}", "a scorer is one of: facts, verifier, reward, judge"),
        ("limit: 8}", "limit: 8}\n    scorer: {by: reward, model: rm}", "needs 'rm', which no earlier stage makes"),
        (
            "limit: 8}",
            "limit: 8}\n    scorer: {by: verifier, rewards: {right_option: 1}}",
            "none of the rewards can score",
        ),
        ("limit: 8}", "limit: 8}\n    pairing: {max_pairs: 2}", "max_pairs belongs to take: all"),
        ("limit: 8}", "limit: 8}\n    items: {name: bundled-exam}", "give one of the two keys"),
        ("prompts: {name: bundled-prompts, limit: 8}", "items: {name: bundled-exam}", "the scorer facts needs prompts"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, old: str, new: str, message: str):
    path = tmp_path / "mine.yaml"
    path.write_text(RECIPE.replace(old, new, 1))
    with pytest.raises(RecipeError, match=message):
        load_recipe(str(path))


def test_a_reward_stage_can_score_the_pairs_of_a_later_stage(tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        RECIPE.replace(
            "  preferences:\n",
            "  rm: {kind: reward, model: sft, preferences: {name: thumbs.jsonl}}\n  preferences:\n",
            1,
        ).replace("limit: 8}", "limit: 8}\n    scorer: {by: reward, model: rm}", 1)
    )
    stages = load_recipe(str(path)).stages
    assert [named_models(stages[f"preferences-{number}"]) for number in (1, 2)] == [["sft", "rm"], ["dpo-1", "rm"]]


def test_a_later_round_draws_other_prompts_and_samples_by_another_seed(
    tmp_path: Path, draft, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
):
    met: list[tuple[int, list[str]]] = []

    def sampled(made, seed, model_path, tokenizer, asked, its_draft):
        met.append((seed, [one.id for one in asked]))
        return [[Sample(one.reference, True), Sample("Hiccups.", True)] for one in asked]

    monkeypatch.setattr(pipelines.preferences, "_sampled", sampled)
    path = tmp_path / "mine.yaml"
    path.write_text(RECIPE)
    recipe = load_recipe(str(path))
    for number in (1, 2):
        preferences(recipe.stages[f"preferences-{number}"], 7, tiny_model, Sources(None, 7, {}), draft)
    assert met[0][0] != met[1][0]
    assert len(set(met[0][1]) & set(met[1][1])) < 4


def test_the_bundled_recipe_pairs_as_it_always_did():
    made = load_recipe("nano").stages["preferences"]
    assert isinstance(made, PreferencesStage)
    assert made.scorer.by == "facts"
    assert made.pairing == Pairing(take="best_worst")

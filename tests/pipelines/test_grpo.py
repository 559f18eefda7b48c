"""GRPO on verifiable rewards: a model learns what is rewarded, advantages are those of the paper, what it saves loads."""

import json
import statistics
from pathlib import Path

import pytest
import torch

import pipelines.grpo
from corpora.errors import DataError
from corpora.records import Dialogue, ExamItem, Message
from pipelines import loading
from pipelines.artifact import Artifact, drafting
from pipelines.config import Corpus, GrpoStage, Lora, RecipeError, Rewards, SftStage, load_recipe
from pipelines.grpo import grpo
from pipelines.report.pictures import draw_losses
from pipelines.sft import sft
from pipelines.synthesis.questions import asked_of, of_dialogue, of_item, reward, verdict

ITEM = ExamItem(id="1", question="Which is a vitamin?", options=["Iron", "Ascorbic acid", "Zinc", "Gold"], answers=[1])
RECIPE = """
name: mine
base_model: bundled:osler-nano-base
stages:
  grpo:
    kind: grpo
    model: base
    items: [{name: bundled-exam, part: train}]
    rewards: {right_option: 1.0, format: 0.2}
    training: {max_steps: 1}
  exam:
    kind: exam
    models: [grpo]
    items: [{name: bundled-exam, part: held_out}]
"""


def jsonl(path: Path, records: list) -> str:
    path.write_text("\n".join(record.model_dump_json() for record in records))
    return str(path)


def dialogue(identifier: str, question: str, answer: str, **meta) -> Dialogue:
    messages = [Message(role="user", content=question), Message(role="assistant", content=answer)]
    return Dialogue(id=identifier, messages=messages, meta=meta)


@pytest.fixture(autouse=True)
def _one_thread(_threads: None) -> None:
    torch.set_num_threads(1)  # so small a model gains nothing from two, and loses much where the cores are busy


@pytest.fixture(scope="module")
def guesser(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A model that answers two items with "Answer: " and a letter drawn at random, and the items."""
    from pipelines.data import Sources

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("guesser")
    asked = ["What helps in scurvy?", "Which organ makes bile?"]
    items = [
        ExamItem(id=str(n), question=question, options=["w", "x", "y", "z"], answers=[n])
        for n, question in enumerate(asked)
    ]
    block = Rewards(rewards={"right_option": 1.0}, options="none")
    guesses = [
        dialogue(f"{n}{letter}", of_item(item, block).prompt[0].content, f"Answer: {letter}")
        for n, item in enumerate(items)
        for letter in "ABCD"
    ]
    stage = SftStage(
        kind="sft",
        model="base",
        corpora=[Corpus(name=jsonl(folder / "guesses.jsonl", guesses), repeat=80)],
        training={"per_device_train_batch_size": 16, "learning_rate": 0.01, "bf16": False, "num_train_epochs": 1},
    )
    with drafting(folder / "sft", "sft", {}) as draft:
        sft(stage, 0, tiny_model, Sources(None, 0, {}), draft)
    return folder / "sft" / "model", jsonl(folder / "items.jsonl", items)


def stage_for(items: str, **more) -> GrpoStage:
    given = {
        "max_steps": 60,
        "per_device_train_batch_size": 32,
        "num_generations": 16,
        "max_completion_length": 6,
        "learning_rate": 0.003,
        "lr_scheduler_type": "constant",
        "logging_steps": 1,
        "beta": 0.001,
        "bf16": False,
    }
    return GrpoStage(
        kind="grpo",
        model="sft",
        items=[Corpus(name=items)],
        rewards={"right_option": 1.0, "format": 0.2},
        format=r"Answer: [A-D]",
        options="none",
        training={**given, **more},
    )


def test_a_model_that_guesses_learns_the_key(guesser: tuple[Path, str], draft, sources):
    model, items = guesser
    grpo(stage_for(items), 0, model, sources, draft)
    steps = draft.metrics["rewards"]
    first, last = steps[:5], steps[-5:]
    assert statistics.mean(step["right_option"] for step in first) < 0.4
    assert statistics.mean(step["right_option"] for step in last) > 0.75
    for step in steps:
        assert step["reward"] == pytest.approx(step["right_option"] + 0.2 * step["format"], abs=1e-5)
        assert 1 <= step["mean_length"] <= 6
    assert steps[0]["kl"] == pytest.approx(0, abs=1e-3)
    assert steps[-1]["kl"] > 0.05
    assert draft.metrics["tokens"] > 0
    assert draft.metrics["questions"] == {"item": 2}
    example = draft.metrics["examples"][0]
    assert set(example) == {"question", "answer", "right_option", "format"}
    manifest = {"given": {"config": stage_for(items).model_dump()}, "metrics": draft.metrics}
    assert draw_losses({"grpo": Artifact(draft.folder, manifest)}, draft.folder / "curve.png")
    assert (draft.folder / "curve.png").stat().st_size > 5000
    trained = loading.load_model(draft.folder / "model", training=False)
    assert trained.num_parameters() == loading.load_model(model).num_parameters()


def test_an_adapter_learns_beside_its_base_as_the_reference(guesser: tuple[Path, str], draft, sources):
    stage = stage_for(guesser[1], max_steps=3, beta=0.1).model_copy(update={"lora": Lora(r=4, lora_alpha=8)})
    grpo(stage, 0, guesser[0], sources, draft)
    steps = draft.metrics["rewards"]
    assert steps[0]["kl"] == pytest.approx(0, abs=1e-3)
    assert steps[-1]["kl"] > steps[0]["kl"]
    trained, before = (loading.load_model(place) for place in (draft.folder / "model", guesser[0]))
    assert any(not torch.equal(a, b) for a, b in zip(trained.parameters(), before.parameters(), strict=True))


def test_two_runs_of_one_seed_end_with_the_same_bytes(guesser: tuple[Path, str], tmp_path: Path, sources):
    outputs = []
    for name in ("a", "b"):
        with drafting(tmp_path / name, "grpo", {}) as made:
            grpo(stage_for(guesser[1], max_steps=2), 0, guesser[0], sources, made)
        outputs.append((tmp_path / name / "model" / "model.safetensors").read_bytes())
    assert outputs[0] == outputs[1]


@pytest.mark.parametrize("repeat", [4, 1], ids=["in its first pass", "in its fourth pass"])
def test_a_run_that_was_cut_goes_on_to_the_same_bytes(
    repeat: int, guesser: tuple[Path, str], tmp_path: Path, sources, monkeypatch: pytest.MonkeyPatch
):
    stage = stage_for(guesser[1], max_steps=4, save_steps=2)
    stage = stage.model_copy(update={"items": [Corpus(name=guesser[1], repeat=repeat)]})
    with drafting(tmp_path / "whole", "grpo", {}) as made:
        grpo(stage, 0, guesser[0], sources, made)
    original, judged = pipelines.grpo.verdict, []

    def breaks(*given):
        judged.append(given)
        if len(judged) > 3 * 2 * 32:  # two verdicts on each of a step's 32 answers: in the fourth step
            raise KeyboardInterrupt
        return original(*given)

    monkeypatch.setattr(pipelines.grpo, "verdict", breaks)
    with pytest.raises(KeyboardInterrupt), drafting(tmp_path / "cut", "grpo", {}) as made:
        grpo(stage, 0, guesser[0], sources, made)
    monkeypatch.setattr(pipelines.grpo, "verdict", original)
    with drafting(tmp_path / "cut", "grpo", {}) as made:
        assert (made.checkpoints / "checkpoint-2").is_dir()
        grpo(stage, 0, guesser[0], sources, made)
    assert [step["step"] for step in made.metrics["rewards"]] == [1, 2, 3, 4]
    whole, cut = ((tmp_path / name / "model" / "model.safetensors").read_bytes() for name in ("whole", "cut"))
    assert whole == cut


def test_an_advantage_is_the_reward_less_its_groups_mean_over_its_spread(
    guesser: tuple[Path, str], draft, sources, monkeypatch: pytest.MonkeyPatch
):
    """Shao et al. 2024, section 4.1.2: (r - mean(r)) / std(r), worked by hand; TRL takes the sample's spread and adds 1e-4 to it."""
    made = []

    class Kept(pipelines.grpo.Trainer):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            made.append(self)

    right = iter([1, 0, 0, 1, 1, 1, 1, 0])
    monkeypatch.setattr(pipelines.grpo, "Trainer", Kept)
    monkeypatch.setattr(
        pipelines.grpo, "verdict", lambda name, *_: float(next(right)) if name == "right_option" else 1.0
    )
    short = {"max_steps": 1, "per_device_train_batch_size": 8, "num_generations": 4}
    grpo(stage_for(guesser[1], **short), 0, guesser[0], sources, draft)
    found = list(made[0]._logs["advantages"])
    # Rewards 1.2, 0.2, 0.2, 1.2: mean 0.7, spread sqrt(4 * 0.25 / 3) = 0.57735.
    half = 0.5 / (0.57735 + 1e-4)
    # Rewards 1.2, 1.2, 1.2, 0.2: mean 0.95, spread sqrt((3 * 0.0625 + 0.5625) / 3) = 0.5.
    few, lone = 0.25 / (0.5 + 1e-4), -0.75 / (0.5 + 1e-4)
    assert found == pytest.approx([half, -half, -half, half, few, few, few, lone], abs=1e-4)
    assert draft.metrics["rewards"][0]["right_option"] == pytest.approx(5 / 8)


def test_questions_are_put_as_the_recipe_says_and_judged_by_what_is_known():
    letters = of_item(ITEM, Rewards(rewards={"right_option": 1.0}, instruction="Think first."))
    assert letters.prompt[0].content == (
        "Which is a vitamin?\nA. Iron\nB. Ascorbic acid\nC. Zinc\nD. Gold\n\nThink first."
    )
    bare = of_item(ITEM, Rewards(rewards={"right_option": 1.0}, options="text"))
    assert bare.prompt[0].content == "Which is a vitamin?\n- Iron\n- Ascorbic acid\n- Zinc\n- Gold"
    block = Rewards(rewards={"right_option": 1.0, "right_number": 2.0, "emergency": 1.0, "format": 0.5})
    assert reward(letters, "<think>C.</think>B", block) == 1.5
    assert reward(letters, "B", block) == 1.0
    assert reward(letters, "<think>B", block) == 0.0
    dose = of_dialogue(dialogue("d", "20 kg at 5 mg/kg?", "The dose is 100 mg."), block)
    assert dose.kind == "number"
    assert reward(dose, "<think>5 × 20</think>0.1 g", block) == 2.5
    assert verdict("right_option", dose, "100 mg", block) is None
    stroke = of_dialogue(dialogue("e", "A drooping face!", "Call an ambulance.", judge="emergency"), block)
    assert reward(stroke, "Call 999 now.", block) == 1.0


def test_an_answer_is_rewarded_by_the_words_of_its_reference(tmp_path: Path, sources):
    """0.6 for the reference's words that it holds, 0.3 for its own that belong there, 0.1; worked by hand."""
    block = Rewards(rewards={"facts": 2.0, "format": 0.1}, format=r"[A-Z][^\n]*\.")
    asked = of_dialogue(dialogue("f", "What is metformin for?", "Type 2 diabetes in frail patients."), block)
    assert verdict("facts", asked, "Type 2 diabetes in frail patients.", block) == pytest.approx(1.0)
    # Two of five words (diabetes, frail), and both of its own are right.
    assert verdict("facts", asked, "<think>?</think>Frail diabetes.", block) == pytest.approx(0.6 * 2 / 5 + 0.3 + 0.1)
    assert verdict("facts", asked, "Take 500 mg of it twice a day.", block) == -1.0
    assert reward(asked, "Type 2 diabetes in frail patients.", block) == pytest.approx(2.1)
    assert verdict("facts", of_item(ITEM, block), "Ascorbic acid", block) is None
    path = jsonl(tmp_path / "zh.jsonl", [dialogue("zh", "二甲双胍治什么病？", "二型糖尿病。")])
    with pytest.raises(DataError, match=r"none of the rewards \(facts\) can judge"):
        asked_of([], [Corpus(name=path)], Rewards(rewards={"facts": 1.0}), sources)


def test_a_dialogue_that_no_verifier_can_judge_is_named(tmp_path: Path, sources):
    path = jsonl(tmp_path / "mixed.jsonl", [dialogue("good", "2+3?", "5"), dialogue("bad", "Why?", "Because.")])
    block = Rewards(rewards={"right_number": 1.0})
    with pytest.raises(
        DataError, match=r"mixed\.jsonl', dialogue 'bad': none of the rewards \(right_number\) can judge"
    ):
        asked_of([], [Corpus(name=path)], block, sources)
    with_form = Rewards(rewards={"right_number": 1.0, "format": 0.1})
    kinds = [asked.kind for asked in asked_of([], [Corpus(name=path)], with_form, sources)]
    assert kinds == ["number", "other"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (", part: train", "", "makes training data of 'bundled-exam', which an exam of this recipe asks"),
        ("format: 0.2", "formt: 0.2", "stages.grpo.rewards.formt"),
        ("right_option: 1.0, ", "", None),
        ("format: 0.2", "right_number: 0.2", "the reward right_number is for dialogues: name them in prompts"),
        ("max_steps: 1", "max_step: 1", r"unknown key 'max_step'; did you mean 'max_steps'\?"),
        ("max_steps: 1", "reward_weights: [1, 2]", "leave training.reward_weights out"),
        ("    items: [{name: bundled-exam, part: train}]", "", "give one of the two keys"),
        ("    training", "    format: '('\n    training", "not a regular expression"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, old: str, new: str, message: str | None):
    path = tmp_path / "mine.yaml"
    path.write_text(RECIPE)
    load_recipe(str(path))
    path.write_text(RECIPE.replace(old, new, 1))
    if message is None:
        load_recipe(str(path))
        return
    with pytest.raises(RecipeError, match=message):
        load_recipe(str(path))


def test_a_group_that_does_not_fit_the_batch_is_explained(guesser: tuple[Path, str], draft, sources):
    with pytest.raises(loading.TrainingError, match=r"training block of the grpo stage.*num_generations"):
        grpo(stage_for(guesser[1], num_generations=5), 0, guesser[0], sources, draft)
    assert json.loads(Path(guesser[1]).read_text().splitlines()[0])["id"] == "0"

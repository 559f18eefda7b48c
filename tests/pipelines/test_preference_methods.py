"""DPO's variants, KTO, ORPO and the reward model: their losses are the papers', the plain head's numbers are TRL's."""

import dataclasses
import itertools
import json
import math
import re
import shutil
from pathlib import Path
from typing import Any

import datasets
import pytest
import torch
from torch.nn import functional
from transformers import AutoModelForSequenceClassification, Qwen3MoeConfig, Qwen3MoeForCausalLM
from trl import DPOConfig, DPOTrainer, KTOTrainer, RewardTrainer

from corpora.errors import DataError
from corpora.records import Message, Preference
from pipelines import loading, training
from pipelines import orpo as orpo_stage
from pipelines.artifact import Draft
from pipelines.checks import check_base, check_preferences
from pipelines.config import Corpus, DpoStage, KtoStage, Lora, OrpoStage, RecipeError, RewardStage, load_recipe
from pipelines.data import Sources
from pipelines.dpo import dpo
from pipelines.kto import kto
from pipelines.orpo import orpo
from pipelines.preference_data.pairs import pair_rows, rewards, single_rows
from pipelines.reward import read_model, reward, score_answers, split
from pipelines.training.guards import where
from pipelines.training.plain_head import plain_head

SHORT = {
    "max_steps": 2,
    "per_device_train_batch_size": 4,
    "learning_rate": 0.001,
    "logging_steps": 1,
    "bf16": False,
    "save_strategy": "no",
}
LOSS_TYPES = [  # every one that DPOConfig names
    "sigmoid",
    "hinge",
    "ipo",
    "exo_pair",
    "nca_pair",
    "robust",
    "bco_pair",
    "sppo_hard",
    "aot",
    "aot_unpaired",
    "apo_zero",
    "apo_down",
    "discopop",
    "sft",
    "sigmoid_norm",
]
VARIANTS: list[dict[str, Any]] = [  # by the names that the trainer gives them
    *({"loss_types": [kind], "loss_weights": [1.0], "label_smoothing": 0.1} for kind in LOSS_TYPES),
    {"loss_types": ["sigmoid", "bco_pair", "sft"], "loss_weights": [0.8, 0.2, 1.0]},
    {"ld_alpha": 0.5},
    {"ld_alpha": 0.0},
    {"f_divergence_type": "forward_kl"},
    {"f_divergence_type": "js_divergence"},
    {"f_divergence_type": "alpha_divergence"},
]


def preferences(count: int) -> list[Preference]:
    return [
        Preference(
            id=str(n),
            prompt=[Message(role="user", content=f"What is number {n}?")],
            chosen=f"It is {n}, as you say." + " And more." * (n % 3),
            rejected="I do not know that" + " at all" * (n % 4) + ".",
        )
        for n in range(count)
    ]


def as_row(one: Preference) -> dict[str, Any]:
    """A pair, or the published form of a single answer."""
    row = one.model_dump(include={"id", "prompt", "chosen", "rejected"})
    if one.chosen is None or one.rejected is None:
        row = {"prompt": row["prompt"], "completion": one.chosen or one.rejected, "label": one.chosen is not None}
    return row


def write(path: Path, found: list[Preference]) -> Corpus:
    path.write_text("\n".join(json.dumps(as_row(one)) for one in found))
    return Corpus(name=str(path))


@pytest.fixture
def pairs(tmp_path: Path) -> Corpus:
    return write(tmp_path / "pairs.jsonl", preferences(16))


@pytest.fixture
def singles(tmp_path: Path) -> Corpus:
    return write(
        tmp_path / "singles.jsonl",
        [one.model_copy(update={"rejected" if int(one.id) % 2 else "chosen": None}) for one in preferences(32)],
    )


@pytest.fixture(scope="module")
def moved_model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with other weights: a policy that is no longer the reference."""
    folder = tmp_path_factory.mktemp("moved")
    model = loading.load_model(tiny_model)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    training.save_model(model, loading.load_tokenizer(tiny_model), folder)
    return folder


def first_batch(trainer: Any) -> dict[str, Any]:
    trainer.model.train()
    batch: dict[str, Any] = trainer._prepare_inputs(next(iter(trainer.get_train_dataloader())))
    return batch


def loss_and_gradients(trainer: Any) -> tuple[float, dict[str, torch.Tensor]]:
    trainer.model.zero_grad()
    loss = trainer.compute_loss(trainer.model, first_batch(trainer))
    loss.backward()
    return loss.item(), {name: p.grad.clone() for name, p in trainer.model.named_parameters() if p.grad is not None}


def assert_alike(theirs: Any, ours: Any) -> None:
    """The two trainers have the same loss and gradients on their first batch."""
    (loss, gradients), (our_loss, our_gradients) = loss_and_gradients(theirs), loss_and_gradients(ours)
    assert our_loss == pytest.approx(loss, rel=1e-4, abs=1e-5)
    assert our_gradients.keys() == gradients.keys()
    assert any(gradient.abs().max() > 1e-4 for gradient in gradients.values())
    for name, gradient in gradients.items():
        assert torch.allclose(our_gradients[name], gradient, rtol=1e-3, atol=1e-5), name


def log_probs(model: Any, prompt: list[int], answer: list[int]) -> torch.Tensor:
    """Of each token of the answer, from the model's logits alone."""
    logits = model(torch.tensor([prompt + answer])).logits[0].float()
    steps = functional.log_softmax(logits[len(prompt) - 1 : -1], dim=-1)
    return steps.gather(-1, torch.tensor(answer)[:, None]).squeeze(-1)


def dpo_trainer(draft: Any, policy: Path, reference: Path, rows: list[dict[str, Any]], variant: dict[str, Any]) -> Any:
    return DPOTrainer(
        model=loading.load_model(policy),
        ref_model=loading.load_model(reference),
        args=training.arguments("dpo", draft, 0, {**SHORT, **variant}),
        train_dataset=datasets.Dataset.from_list(rows),
        processing_class=loading.load_tokenizer(policy),
    )


@pytest.fixture(scope="module")
def two_heads(tiny_model: Path, moved_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """A DPO trainer with TRL's head and one with the plain head."""
    folder = tmp_path_factory.mktemp("heads")
    rows = pair_rows(write(folder / "pairs.jsonl", preferences(8)), Sources(None, 0, {}), "dpo")
    theirs = dpo_trainer(Draft(folder), moved_model, tiny_model, rows, {})
    with plain_head():
        ours = dpo_trainer(Draft(folder), moved_model, tiny_model, rows, {})
    assert theirs.model.forward.__func__ is not ours.model.forward.__func__
    return theirs, ours


def test_every_loss_type_that_trl_names_is_tried():
    told = next(field for field in dataclasses.fields(DPOConfig) if field.name == "loss_type").metadata["help"]
    assert re.findall(r"`'(\w+)'`", told) == LOSS_TYPES


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: str(next(iter(variant.values()))))
def test_each_dpo_variant_has_trls_loss_and_gradients(two_heads, monkeypatch, variant):
    for trainer in two_heads:
        for name, value in variant.items():
            assert hasattr(trainer, name)  # what the trainer reads when it computes the loss
            monkeypatch.setattr(trainer, name, value)
    assert_alike(*two_heads)


@pytest.mark.parametrize("variant", [{"use_weighting": True}, {"precompute_ref_log_probs": True, "ld_alpha": 0.5}])
def test_dpo_options_that_shape_the_trainer_keep_trls_loss_and_gradients(
    tiny_model, moved_model, draft, pairs, sources, variant
):
    rows = pair_rows(pairs, sources, "dpo")
    theirs = dpo_trainer(draft, moved_model, tiny_model, rows, variant)
    with plain_head():
        ours = dpo_trainer(draft, moved_model, tiny_model, rows, variant)
    assert_alike(theirs, ours)


@pytest.mark.parametrize("loss_type", ["sigmoid", "ipo", "sigmoid_norm"])
def test_dpo_losses_are_the_papers(tiny_model, moved_model, draft, pairs, sources, loss_type):
    rows = pair_rows(pairs, sources, "dpo")[:4]
    beta = 0.3
    with plain_head():
        trainer = dpo_trainer(draft, moved_model, tiny_model, rows, {"loss_type": loss_type, "beta": beta})
    found = trainer.compute_loss(trainer.model, first_batch(trainer)).item()
    policy, reference = loading.load_model(moved_model).eval(), loading.load_model(tiny_model).eval()
    by_hand = []
    for row in trainer.train_dataset:
        ratio = {}
        for side in ("chosen", "rejected"):
            ids = row["prompt_ids"], row[f"{side}_ids"]
            moved = (log_probs(policy, *ids) - log_probs(reference, *ids)).sum().item()
            ratio[side] = moved if loss_type == "sigmoid" else moved / len(ids[1])
        margin = ratio["chosen"] - ratio["rejected"]
        if loss_type == "ipo":  # Azar et al. 2023, equation 17, with the log-ratios by token, as its authors did
            by_hand.append((margin - 1 / (2 * beta)) ** 2)
        else:  # Rafailov et al. 2023, equation 7; by token in the length-normalised form
            by_hand.append(-math.log(1 / (1 + math.exp(-beta * margin))))
    assert found == pytest.approx(sum(by_hand) / 4, rel=1e-4)


def kto_trainer(draft: Any, policy: Path, reference: Path, rows: list[dict[str, Any]], **given: Any) -> Any:
    return KTOTrainer(
        model=loading.load_model(policy),
        ref_model=loading.load_model(reference),
        args=training.arguments("kto", draft, 0, {**SHORT, **given}),
        train_dataset=datasets.Dataset.from_list(rows),
        processing_class=loading.load_tokenizer(policy),
    )


@pytest.mark.parametrize("loss_type", ["kto", "apo_zero_unpaired"])
def test_each_kto_loss_has_trls_loss_and_gradients(tiny_model, moved_model, draft, singles, sources, loss_type):
    rows = single_rows(singles, sources, 0)
    theirs = kto_trainer(draft, moved_model, tiny_model, rows, loss_type=loss_type)
    with plain_head():
        ours = kto_trainer(draft, moved_model, tiny_model, rows, loss_type=loss_type)
    assert_alike(theirs, ours)


def test_kto_loss_is_the_papers(tiny_model, moved_model, draft, singles, sources):
    rows = single_rows(singles, sources, 0)[:4]
    beta, good, bad = 0.2, 1.0, 1.3
    with plain_head():
        trainer = kto_trainer(
            draft, moved_model, tiny_model, rows, beta=beta, desirable_weight=good, undesirable_weight=bad
        )
    found = trainer.compute_loss(trainer.model, first_batch(trainer)).item()
    assert where(trainer, first_batch(trainer)) == [0, 1, 2, 3]
    policy, reference = loading.load_model(moved_model).eval(), loading.load_model(tiny_model).eval()

    def ratio(prompt: list[int], answer: list[int]) -> float:
        return (log_probs(policy, prompt, answer) - log_probs(reference, prompt, answer)).sum().item()

    kept = list(trainer.train_dataset)
    # Ethayarajh et al. 2024: z0 from each prompt with the answer of the row before it, and not below 0.
    z0 = max(0.0, sum(ratio(kept[n]["prompt_ids"], kept[n - 1]["completion_ids"]) for n in range(4)) / 4)
    by_hand = []
    for row in kept:  # lambda - value, where value = lambda * sigmoid(beta * (r - z0)), or of (z0 - r) where bad
        moved = ratio(row["prompt_ids"], row["completion_ids"]) - z0
        weight, gain = (good, moved) if row["label"] else (bad, -moved)
        by_hand.append(weight * (1 - 1 / (1 + math.exp(-beta * gain))))
    assert {row["label"] for row in rows} == {True, False}
    assert found == pytest.approx(sum(by_hand) / 4, rel=1e-4)


def test_orpo_loss_is_the_papers(moved_model, draft, pairs, sources):
    rows = pair_rows(pairs, sources, "orpo")[:4]
    beta = 0.25
    trainer = orpo_stage.ORPOTrainer(
        model=loading.load_model(moved_model),
        args=training.arguments("orpo", draft, 0, {**SHORT, **orpo_stage.DEFAULTS, "beta": beta}),
        train_dataset=datasets.Dataset.from_list(rows),
        processing_class=loading.load_tokenizer(moved_model),
    )
    trainer.data_collator = orpo_stage.counted(trainer.data_collator)
    assert where(trainer, first_batch(trainer)) == [0, 1, 2, 3]
    found = trainer.compute_loss(trainer.model, first_batch(trainer)).item()
    model = loading.load_model(moved_model).eval()
    likelihood, words, odds = 0.0, 0, []
    for row in trainer.train_dataset:
        mean = {}
        for side in ("chosen", "rejected"):
            ids, labels = row[f"{side}_input_ids"], row[f"{side}_labels"]
            start = labels.count(-100)
            mean[side] = float(log_probs(model, ids[:start], ids[start:]).mean())
        # Hong et al. 2024, equations 4 to 7; the likelihood is that of the whole conversation, as in its authors' code.
        odds.append(
            mean["chosen"]
            - mean["rejected"]
            - math.log((1 - math.exp(mean["chosen"])) / (1 - math.exp(mean["rejected"])))
        )
        whole = row["chosen_input_ids"]
        likelihood += float(log_probs(model, whole[:1], whole[1:]).sum())
        words += len(whole) - 1
    ratio = sum(-math.log(1 / (1 + math.exp(-one))) for one in odds) / 4
    assert found == pytest.approx(-likelihood / words + beta * ratio, rel=1e-4)


def test_reward_loss_is_bradley_terrys_and_the_saved_model_scores_alike(tiny_model, draft, pairs, sources, tmp_path):
    rows = pair_rows(pairs, sources, "reward")[:4]
    torch.manual_seed(3)
    tokenizer = loading.load_tokenizer(tiny_model)
    trainer = RewardTrainer(
        model=read_model(tiny_model),
        args=training.arguments("reward", draft, 0, {**SHORT, "disable_dropout": True}),
        train_dataset=datasets.Dataset.from_list(rows),
        processing_class=tokenizer,
    )
    found = trainer.compute_loss(trainer.model, first_batch(trainer)).item()
    assert where(trainer, first_batch(trainer)) == [0, 1, 2, 3]
    trainer.model.save_pretrained(tmp_path / "reward")  # in float32
    tokenizer.save_pretrained(tmp_path / "reward")
    conversations = [
        [Message(**message) for message in [*row["prompt"], *row[side]]]
        for row in rows
        for side in ("chosen", "rejected")
    ]
    scores = score_answers(tmp_path / "reward", conversations, batch=3)
    by_hand = [-math.log(1 / (1 + math.exp(scores[n + 1] - scores[n]))) for n in range(0, 8, 2)]
    assert len(set(scores)) == 8
    assert found == pytest.approx(sum(by_hand) / 4, rel=1e-4)


@pytest.mark.parametrize("lora", [None, Lora(r=8, lora_alpha=16)])
def test_kto_tells_good_answers_from_bad(tiny_model, draft, singles, sources, lora):
    given = {**SHORT, "max_steps": 12, "per_device_train_batch_size": 8, "learning_rate": 0.01 if lora else 0.001}
    stage = KtoStage(kind="kto", model="sft", preferences=singles, lora=lora, training=given)
    kto(stage, 0, tiny_model, sources, draft)
    found = draft.metrics["rewards"]
    assert (draft.metrics["good"], draft.metrics["bad"]) == (16, 16)
    assert found[0]["margin"] == pytest.approx(0.0, abs=1e-3)
    assert found[-1]["margin"] > 0.1
    assert draft.metrics["tokens"] > 0
    assert (
        loading.load_model(draft.folder / "model").num_parameters() == loading.load_model(tiny_model).num_parameters()
    )


def test_kto_takes_pairs_as_single_answers_that_are_not_neighbours_in_order(pairs, sources):
    rows = single_rows(pairs, sources, 0)
    assert sum(row["label"] for row in rows) == 16 == len(rows) // 2
    assert {(row["prompt"][0]["content"], row["label"]) for row in rows} == {
        (f"What is number {n}?", label) for n in range(16) for label in (True, False)
    }
    assert rows == single_rows(pairs, sources, 0) != single_rows(pairs, sources, 1)
    beside = sum(a["prompt"] == b["prompt"] for a, b in itertools.pairwise(rows))
    assert beside < 4  # 16 before they were shuffled


@pytest.mark.parametrize("lora", [None, Lora(r=8, lora_alpha=16)])
def test_orpo_prefers_what_was_chosen(tiny_model, draft, pairs, sources, lora):
    given = {**SHORT, "max_steps": 8, "per_device_train_batch_size": 8, "learning_rate": 0.01 if lora else 0.003}
    stage = OrpoStage(kind="orpo", model="cpt", preferences=pairs, lora=lora, training=given)
    orpo(stage, 0, tiny_model, sources, draft)
    found = draft.metrics["rewards"]
    assert found[-1]["margin"] > found[0]["margin"]
    assert found[-1]["accuracy"] == 1.0
    assert draft.metrics["final_loss"] < draft.metrics["losses"][0]["loss"]
    assert draft.metrics["tokens"] > 0


@pytest.mark.parametrize("lora", [None, Lora(r=8, lora_alpha=16)])
def test_reward_model_scores_what_was_chosen_higher(tiny_model, draft, sources, tmp_path, lora):
    corpus = write(tmp_path / "pairs.jsonl", preferences(40))
    stage = RewardStage(
        kind="reward",
        model="sft",
        preferences=corpus,
        held_out=0.25,
        lora=lora,
        training={**SHORT, "max_steps": 12, "per_device_train_batch_size": 8, "learning_rate": 0.003},
    )
    reward(stage, 0, tiny_model, sources, draft)
    assert draft.metrics["pairs"] == 30
    assert draft.metrics["rewards"][-1]["accuracy"] == 1.0
    held_out = draft.metrics["held_out"]
    assert held_out["pairs"] == 10
    assert held_out["accuracy"] == 1.0
    assert 0.6 < held_out["low"] < held_out["high"] <= 1.0
    saved = AutoModelForSequenceClassification.from_pretrained(draft.folder / "model")
    assert saved.config.num_labels == 1
    question = Message(role="user", content="What is number 77?")
    good, bad = score_answers(
        draft.folder / "model",
        [
            [question, Message(role="assistant", content=text)]
            for text in ("It is 77, as you say.", "I do not know that at all.")
        ],
    )
    assert good > bad


def test_all_pairs_of_a_prompt_are_held_out_together(pairs, sources):
    rows = pair_rows(pairs, sources, "reward")
    learnt, held_out = split(rows * 2, 0.25, 0, "pairs")
    assert (len(learnt), len(held_out)) == (24, 8)
    assert not {row["prompt"][0]["content"] for row in learnt} & {row["prompt"][0]["content"] for row in held_out}
    assert split(rows, 0.0, 0, "pairs") == (rows, [])
    with pytest.raises(DataError, match="too few to hold out"):
        split(rows[:2], 0.1, 0, "pairs")


@pytest.mark.parametrize(
    ("work", "stage"),
    [(dpo, DpoStage), (orpo, OrpoStage), (reward, RewardStage)],
)
def test_single_answers_are_refused_where_two_are_compared(tiny_model, draft, singles, sources, work, stage):
    kind = work.__name__
    with pytest.raises(DataError, match=f"32 of 32 rows have one answer only, and {kind} compares two"):
        work(stage(kind=kind, model="sft", preferences=singles), 0, tiny_model, sources, draft)


def recipe(tmp_path: Path, corpus: Corpus, kind: str, more: str = "") -> str:
    path = tmp_path / "mine.yaml"
    path.write_text(
        f"name: mine\nbase_model: bundled:osler-nano-base\nstages:\n"
        f"  align: {{kind: {kind}, model: base, preferences: {{name: {corpus.name}}}}}\n{more}"
    )
    return str(path)


@pytest.mark.parametrize("kind", ["dpo", "orpo", "reward"])
def test_single_answers_are_refused_before_the_run_begins(singles, tmp_path, kind):
    loaded = load_recipe(recipe(tmp_path, singles, kind))
    with pytest.raises(
        DataError, match=rf"32 of 32 rows have one answer only, and stages\.align \({kind}\) compares two"
    ):
        check_preferences(loaded, None)


def test_kto_takes_single_answers_and_pairs_and_no_other_records(singles, pairs, tmp_path):
    for corpus in (singles, pairs):
        check_preferences(load_recipe(recipe(tmp_path, corpus, "kto")), None)
    with pytest.raises(DataError, match="holds Dialogue records; here Preference is needed"):
        check_preferences(load_recipe(recipe(tmp_path, Corpus(name="bundled-dialogues"), "kto")), None)


@pytest.mark.parametrize("kind", ["kto", "orpo", "reward"])
def test_a_base_without_a_chat_template_is_refused_before_the_run_begins(tiny_model, pairs, tmp_path, kind):
    shutil.copytree(tiny_model, tmp_path / "bare")
    (tmp_path / "bare" / "chat_template.jinja").unlink()
    loaded = load_recipe(recipe(tmp_path, pairs, kind))
    with pytest.raises(RecipeError, match=r"no chat template, which stages\.align needs"):
        check_base(loaded.model_copy(update={"base_model": str(tmp_path / "bare")}))


@pytest.mark.parametrize("more", ["serve: {model: align}\n", "  exam: {kind: exam, models: [base, align]}\n"])
def test_a_reward_model_cannot_be_asked(pairs, tmp_path, more):
    load_recipe(recipe(tmp_path, pairs, "dpo", more))
    with pytest.raises(RecipeError, match=r"'align' is a reward model, which only scores answers; name .*'base'"):
        load_recipe(recipe(tmp_path, pairs, "reward", more))


def test_a_mixture_of_experts_keeps_trls_head(tiny_model, draft, pairs, sources):
    tokenizer = loading.load_tokenizer(tiny_model)
    config = Qwen3MoeConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=32,
        moe_intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=16,
        num_experts=4,
        num_experts_per_tok=2,
        router_aux_loss_coef=0.5,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    with plain_head():
        trainer = DPOTrainer(
            model=Qwen3MoeForCausalLM(config),
            args=training.arguments("dpo", draft, 0, {**SHORT, "precompute_ref_log_probs": True}),
            train_dataset=datasets.Dataset.from_list(pair_rows(pairs, sources, "dpo")),
            processing_class=tokenizer,
        )
    balance = trainer.compute_loss(trainer.model, first_batch(trainer)).item() - math.log(2)
    assert balance == pytest.approx(0.5 * trainer._metrics["train"]["aux_loss"][0], rel=1e-3)
    assert balance > 0.1


@pytest.mark.parametrize(("side", "hint"), [("chosen", "add good answers"), ("rejected", "a stage of kind sft")])
def test_kto_refuses_answers_of_one_kind(tiny_model, draft, sources, tmp_path, side, hint):
    corpus = write(tmp_path / "one.jsonl", [one.model_copy(update={side: None}) for one in preferences(4)])
    with pytest.raises(DataError, match=f"none of 4 rows has a {side} answer.*{hint}"):
        kto(KtoStage(kind="kto", model="sft", preferences=corpus), 0, tiny_model, sources, draft)


@pytest.mark.parametrize(
    ("work", "stage"), [(dpo, DpoStage), (kto, KtoStage), (orpo, OrpoStage), (reward, RewardStage)]
)
def test_a_base_without_a_chat_template_is_refused(tiny_model, draft, pairs, sources, tmp_path, work, stage):
    shutil.copytree(tiny_model, tmp_path / "bare")
    (tmp_path / "bare" / "chat_template.jinja").unlink()
    with pytest.raises(loading.TrainingError, match=f"no chat template, which {work.__name__} needs"):
        work(stage(kind=work.__name__, model="sft", preferences=pairs), 0, tmp_path / "bare", sources, draft)


def test_what_cannot_be_scored_is_explained(tiny_model, tmp_path):
    question, answer = Message(role="user", content="What?"), Message(role="assistant", content="word " * 600)
    with pytest.raises(loading.TrainingError, match="not a reward model"):
        score_answers(tiny_model, [[question, answer]])
    with pytest.raises(DataError, match="conversation 1: the last message is not the assistant's"):
        score_answers(tiny_model, [[question, answer], [question]])
    with pytest.raises(loading.TrainingError, match="no model could be read"):
        score_answers(tmp_path / "nowhere", [[question, answer]])
    read_model(tiny_model).save_pretrained(tmp_path / "reward")
    loading.load_tokenizer(tiny_model).save_pretrained(tmp_path / "reward")
    with pytest.raises(DataError, match=r"conversation 0: .* reads 512 at most"):
        score_answers(tmp_path / "reward", [[question, answer]])


def test_rewards_by_step_are_found_in_each_trainers_log():
    log = [
        {"step": 1, "loss": 0.7, "rewards/margins": 0.1, "rewards/accuracies": 0.5},
        {"step": 2, "loss": 0.6, "rewards/margins": 0.2, "kl": 0.01},
        {"step": 3, "loss": 0.5, "margin": 0.3, "accuracy": 1.0},
        {"step": 3, "train_runtime": 9.0},
    ]
    assert rewards(log) == [
        {"step": 1, "margin": 0.1, "accuracy": 0.5},
        {"step": 2, "margin": 0.2, "kl": 0.01},
        {"step": 3, "margin": 0.3, "accuracy": 1.0},
    ]

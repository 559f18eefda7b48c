"""CPT, SFT and DPO on a tiny model: their losses are the library's own, what they save loads, what they refuse they explain."""

import json
import shutil
from pathlib import Path

import datasets
import pytest
import torch
from peft import LoraConfig
from torch.nn import functional
from trl import DPOTrainer, SFTTrainer

from corpora.bundled.render import render
from corpora.errors import DataError
from corpora.records import Dialogue, Document
from pipelines import loading, training
from pipelines.config import Corpus, CptStage, DpoStage, Lora, RecipeError, SftStage
from pipelines.cpt import cpt
from pipelines.dpo import dpo
from pipelines.sft import sft
from pipelines.training.blocks import blocks
from pipelines.training.plain_head import plain_head

SHORT = {"max_steps": 2, "per_device_train_batch_size": 4, "learning_rate": 0.001, "logging_steps": 1}


def rows(count: int) -> datasets.Dataset:
    dialogues = [record for record in render("bundled-dialogues") if isinstance(record, Dialogue)][:count]
    return datasets.Dataset.from_list(
        [{"messages": [m.as_dict() for m in dialogue.messages]} for dialogue in dialogues]
    )


def pairs(count: int) -> datasets.Dataset:
    return datasets.Dataset.from_list(
        [
            {
                "prompt": [{"role": "user", "content": f"What is number {n}?"}],
                "chosen": [{"role": "assistant", "content": f"It is {n}, as you say."}],
                "rejected": [{"role": "assistant", "content": "I do not know that at all."}],
            }
            for n in range(count)
        ]
    )


def loss_and_gradients(trainer) -> tuple[float, dict[str, torch.Tensor]]:
    """Of the trainer's first batch, before any step."""
    batch = trainer._prepare_inputs(next(iter(trainer.get_train_dataloader())))
    trainer.model.train()
    loss = trainer.compute_loss(trainer.model, batch)
    loss.backward()
    return float(loss), {name: p.grad.clone() for name, p in trainer.model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("plain", [True])
def test_sft_loss_and_gradients_are_trls(tiny_model: Path, draft, plain: bool):
    def trainer():
        args = training.arguments("sft", draft, 0, {**SHORT, "assistant_only_loss": True, "bf16": False})
        return SFTTrainer(
            model=loading.load_model(tiny_model),
            args=args,
            train_dataset=rows(8),
            processing_class=loading.load_tokenizer(tiny_model),
        )

    theirs = loss_and_gradients(trainer())
    with plain_head():
        ours = loss_and_gradients(trainer())
    assert ours[0] == pytest.approx(theirs[0], abs=1e-3)
    for name, gradient in theirs[1].items():
        assert torch.allclose(ours[1][name], gradient, atol=1e-4), name


@pytest.mark.parametrize("lora", [None, LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")])
def test_dpo_loss_and_gradients_are_trls(tiny_model: Path, draft, lora):
    def trainer():
        args = training.arguments("dpo", draft, 0, {**SHORT, "precompute_ref_log_probs": True, "bf16": False})
        return DPOTrainer(
            model=loading.load_model(tiny_model),
            args=args,
            train_dataset=pairs(8),
            processing_class=loading.load_tokenizer(tiny_model),
            peft_config=lora,
        )

    theirs = loss_and_gradients(trainer())
    with plain_head():
        ours = loss_and_gradients(trainer())
    assert ours[0] == pytest.approx(theirs[0], abs=1e-3)
    assert theirs[0] == pytest.approx(0.6931, abs=1e-3)  # ln 2 before the first step (Rafailov et al. 2023, eq. 7)
    for name, gradient in theirs[1].items():
        assert torch.allclose(ours[1][name], gradient, atol=1e-4), name


def test_cpt_loss_is_plain_cross_entropy(tiny_model: Path, draft, sources):
    stage = CptStage(
        kind="cpt",
        model="base",
        corpora=[Corpus(name="bundled-documents", limit=30)],
        sequence_length=64,
        training={**SHORT, "max_steps": 1, "bf16": False},
    )
    cpt(stage, 3, tiny_model, sources, draft)
    assert draft.metrics["final_loss"] == pytest.approx(torch.log(torch.tensor(8192.0)).item(), abs=0.3)
    model = loading.load_model(tiny_model).eval()
    ids = torch.arange(64)[None]
    with torch.no_grad():
        output = model(ids, labels=ids)
    plain = functional.cross_entropy(output.logits[0, :-1].float(), ids[0, 1:])
    assert float(output.loss) == pytest.approx(float(plain), abs=1e-4)


def test_blocks_join_documents_with_the_end_of_text_and_lose_only_the_tail(tiny_model: Path):
    tokenizer = loading.load_tokenizer(tiny_model)
    texts = ["One short text.", "Another one.", "A third text that is a little longer than the others."]
    documents = [Document(id=str(n), text=text) for n, text in enumerate(texts)]
    whole = [token for text in texts for token in [*tokenizer(text)["input_ids"], tokenizer.eos_token_id]]
    cut = blocks(documents, tokenizer, 8)
    joined = [token for row in cut["input_ids"] for token in row]
    assert joined == whole[: len(whole) // 8 * 8]
    assert cut["labels"] == cut["input_ids"]
    with pytest.raises(DataError, match="lower sequence_length"):
        blocks(documents, tokenizer, 500)


@pytest.mark.parametrize("lora", [None, Lora(r=4, lora_alpha=8)])
def test_sft_saves_a_model_that_loads(tiny_model: Path, draft, sources, lora):
    stage = SftStage(
        kind="sft", model="base", corpora=[Corpus(name="bundled-dialogues", limit=16)], lora=lora, training=SHORT
    )
    sft(stage, 0, tiny_model, sources, draft)
    model = loading.load_model(draft.folder / "model")
    before = loading.load_model(tiny_model)
    assert model.num_parameters() == before.num_parameters()
    assert any(not torch.equal(a, b) for a, b in zip(model.parameters(), before.parameters(), strict=True))
    config = json.loads((draft.folder / "model" / "generation_config.json").read_text())
    tokenizer = loading.load_tokenizer(draft.folder / "model")
    assert tokenizer.convert_tokens_to_ids("<|im_end|>") in config["eos_token_id"]
    assert draft.metrics["steps"] == 2
    assert draft.metrics["tokens"] > 0


def test_dpo_prefers_what_was_chosen(tiny_model: Path, draft, sources, tmp_path: Path):
    path = tmp_path / "pairs.jsonl"
    path.write_text(
        "\n".join(
            json.dumps({**row, "chosen": row["chosen"][0]["content"], "rejected": row["rejected"][0]["content"]})
            for row in pairs(16)
        )
    )
    stage = DpoStage(
        kind="dpo",
        model="sft",
        preferences=Corpus(name=str(path)),
        lora=Lora(r=8, lora_alpha=16),
        training={"max_steps": 12, "per_device_train_batch_size": 8, "learning_rate": 0.01, "logging_steps": 1},
    )
    dpo(stage, 0, tiny_model, sources, draft)
    rewards = draft.metrics["rewards"]
    assert rewards[0]["margin"] == pytest.approx(0.0, abs=1e-3)
    assert rewards[-1]["margin"] > 0.1
    assert rewards[-1]["accuracy"] == 1.0
    assert not (draft.folder / "model" / "adapter_config.json").exists()


def test_a_base_without_a_chat_template_is_refused(tiny_model: Path, draft, sources, tmp_path: Path):
    bare = tmp_path / "bare"
    shutil.copytree(tiny_model, bare)
    (bare / "chat_template.jinja").unlink()
    stage = SftStage(kind="sft", model="base", corpora=[Corpus(name="bundled-dialogues", limit=4)], training=SHORT)
    with pytest.raises(loading.TrainingError, match="has no chat template"):
        sft(stage, 0, bare, sources, draft)


def test_a_run_that_diverges_stops_with_the_remedy(tiny_model: Path, draft, sources):
    stage = CptStage(
        kind="cpt",
        model="base",
        corpora=[Corpus(name="bundled-documents", limit=30)],
        sequence_length=32,
        training={**SHORT, "max_steps": 30, "learning_rate": 1e30, "max_grad_norm": 0.0},
    )
    with pytest.raises(loading.TrainingError, match=r"Lower training\.learning_rate"):
        cpt(stage, 3, tiny_model, sources, draft)


def test_a_corpus_of_another_kind_is_refused(tiny_model: Path, draft, sources):
    stage = SftStage(kind="sft", model="base", corpora=[Corpus(name="bundled-documents")], training=SHORT)
    with pytest.raises(DataError, match="holds Document records; here Dialogue is needed"):
        sft(stage, 0, tiny_model, sources, draft)


def test_a_wrong_value_in_the_training_block_is_named(tiny_model: Path, draft):
    with pytest.raises(loading.TrainingError, match="training block of the sft stage"):
        training.arguments("sft", draft, 0, {"lr_scheduler_type": "zigzag"})


def test_a_missing_model_is_named(tmp_path: Path):
    with pytest.raises(RecipeError, match="no model here"):
        loading.load_model(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "qwen3"}')
    (tmp_path / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(loading.TrainingError, match="no model could be read"):
        loading.load_model(tmp_path)


def test_two_runs_of_one_seed_end_with_the_same_bytes(tiny_model: Path, tmp_path: Path, sources):
    from pipelines.artifact import drafting

    outputs = []
    for name in ("a", "b"):
        stage = SftStage(kind="sft", model="base", corpora=[Corpus(name="bundled-dialogues", limit=16)], training=SHORT)
        with drafting(tmp_path / name, "sft", {"seed": 0}) as made:
            sft(stage, 0, tiny_model, sources, made)
        outputs.append((tmp_path / name / "model" / "model.safetensors").read_bytes())
    assert outputs[0] == outputs[1]


@pytest.mark.parametrize(
    ("kind", "left"), [("sft", False), ("grpo", False), ("dpo", False), ("mlm", True), ("reward", False), ("cpt", True)]
)
def test_cudnns_attention_is_left_out_where_lengths_differ_and_taken_up_again(
    draft, monkeypatch, kind: str, left: bool
):
    monkeypatch.setattr(training, "has_gpu", lambda: True)
    try:
        training.arguments(kind, draft, 0, {"use_cpu": True})
        assert torch.backends.cuda.cudnn_sdp_enabled() is left
    finally:
        torch.backends.cuda.enable_cudnn_sdp(True)


def test_what_a_trainer_refuses_of_a_cpt_stage_is_told_with_its_name(tiny_model: Path, draft, sources):
    corpora = [Corpus(name="bundled-documents", limit=20)]
    settings = {**SHORT, "eval_strategy": "steps", "eval_steps": 1}
    stage = CptStage(kind="cpt", model="base", corpora=corpora, sequence_length=32, training=settings)
    with pytest.raises(loading.TrainingError, match=r"cpt: the trainer refuses: .*eval_dataset"):
        cpt(stage, 0, tiny_model, sources, draft)

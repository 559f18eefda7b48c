"""Masked-language pretraining: which tokens are masked, that it is the same after a cut, and that the loss is the plain one."""

import collections
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from pydantic import ValidationError
from transformers import AutoModelForMaskedLM, BertConfig, BertForMaskedLM, set_seed

from corpora.bundled.render import render
from corpora.errors import DataError
from corpora.records import Document
from pipelines import loading, training
from pipelines.artifact import Draft
from pipelines.config import Corpus, InitStage, MlmStage
from pipelines.data import Sources
from pipelines.init import init, train_encoder_tokenizer
from pipelines.mlm import masked_loss, mlm
from pipelines.training.guards import where
from pipelines.training.masking import MaskedRows, chinese_words, draw, encoder_rows, word_starts
from tests.pipelines.drafts import fresh

CHINESE = "糖尿病患者应监测血糖，二甲双胍是首选药物。Metformin 是一线用药。"
DOCUMENTS = [record for record in render("bundled-documents") if isinstance(record, Document)][:60]


@pytest.fixture(scope="module", params=["wordpiece", "bpe"])
def tokenizer(request):
    texts = [document.text for document in DOCUMENTS] + [CHINESE] * 3
    return train_encoder_tokenizer(texts, 600, 64, request.param == "wordpiece", lowercase=True)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of two layers with random weights."""
    folder = tmp_path_factory.mktemp("encoder")
    learnt = train_encoder_tokenizer([document.text for document in DOCUMENTS], 600, 64, True, True)
    set_seed(5)
    config = BertConfig(
        vocab_size=len(learnt),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        pad_token_id=learnt.pad_token_id,
    )
    training.save_model(BertForMaskedLM(config), learnt, folder)
    return folder


def units(tokenizer, text: str, how: str) -> list[str]:
    """The words of ``text`` as they are masked."""
    cut = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    offsets = cut["offset_mapping"]
    found: list[list[int]] = []
    for (start, end), begins in zip(offsets, word_starts(text, offsets, cut.word_ids(0), how), strict=True):
        if begins:
            found.append([start, end])
        else:
            found[-1][1] = max(found[-1][1], end)
    return [text[start:end].strip() for start, end in found if text[start:end].strip()]


def test_english_words_and_punctuation_stand_alone(tokenizer):
    found = units(tokenizer, "The glucocorticoid-receptor (new) works.", "characters")
    assert found == ["The", "glucocorticoid", "-", "receptor", "(", "new", ")", "works", "."]


def test_chinese_is_cut_by_characters_or_by_jieba(tokenizer):
    assert units(tokenizer, "二甲双胍可降低血糖", "characters") == list("二甲双胍可降低血糖")
    by_words = units(tokenizer, "医生建议患者每天测量血压", "jieba")
    assert by_words == ["医生", "建议", "患者", "每天", "测量", "血压"]


def test_a_token_that_holds_two_chinese_words_joins_them():
    # The middle token holds the end of one word and the start of the next.
    assert word_starts("患者血糖", [(0, 1), (1, 3), (3, 4)], [0, 0, 0], "jieba") == [1, 0, 0]
    assert chinese_words("患者 A血糖", "jieba") == [0, 0, -1, -1, 1, 1]


def rows_of(tokenizer, seed: int = 0, **how) -> MaskedRows:
    return MaskedRows(encoder_rows(DOCUMENTS, tokenizer, 64), tokenizer, seed, **how)


def test_rows_begin_and_end_as_an_encoder_expects_and_lose_only_the_tail(tokenizer):
    rows = encoder_rows(DOCUMENTS, tokenizer, 64)
    whole = [
        token
        for document in DOCUMENTS
        for token in [*tokenizer(document.text, add_special_tokens=False)["input_ids"], tokenizer.sep_token_id]
    ]
    assert {(row[0], row[-1], len(row)) for row in rows["input_ids"]} == {
        (tokenizer.cls_token_id, tokenizer.sep_token_id, 64)
    }
    assert [token for row in rows["input_ids"] for token in row[1:-1]] == whole[: len(whole) // 62 * 62]
    with pytest.raises(DataError, match="lower sequence_length"):
        encoder_rows(DOCUMENTS[:1], tokenizer, 5000)


@pytest.mark.parametrize("whole_words", [True, False])
def test_15_percent_are_masked_of_which_80_10_10(tokenizer, whole_words: bool):
    rows = rows_of(tokenizer, whole_words=whole_words)
    counts: collections.Counter[str] = collections.Counter()
    for place in range(len(rows)):
        plain, row = rows.rows[place]["input_ids"], rows[place]
        chosen = row["labels"] != -100
        assert torch.equal(row["labels"][chosen], plain[chosen])
        assert torch.equal(row["input_ids"][~chosen], plain[~chosen])
        counts["tokens"] += int((~torch.isin(plain, rows.special)).sum())
        counts["chosen"] += int(chosen.sum())
        masked = chosen & (row["input_ids"] == tokenizer.mask_token_id)
        counts["mask"] += int(masked.sum())
        counts["same"] += int((chosen & (row["input_ids"] == plain)).sum())
    assert counts["chosen"] / counts["tokens"] == pytest.approx(0.15, abs=0.01)
    error = 4 * (0.8 * 0.2 / counts["chosen"]) ** 0.5  # four standard errors
    assert counts["mask"] / counts["chosen"] == pytest.approx(0.8, abs=error)
    assert counts["same"] / counts["chosen"] == pytest.approx(0.1, abs=error)


def test_no_word_is_masked_in_part(tokenizer):
    rows = rows_of(tokenizer)
    several = 0
    for place in range(len(rows)):
        row, words = rows[place], rows.rows[place]["starts"].cumsum(0)
        chosen = row["labels"] != -100
        for word in words[chosen].unique():
            pieces = chosen[words == word]
            assert pieces.all()
            several += len(pieces) > 1
    assert several > 20  # words of several pieces were among them


def test_special_tokens_are_never_masked(tokenizer):
    rows = rows_of(tokenizer)
    labels = torch.cat([rows[place]["labels"] for place in range(len(rows))])
    assert not torch.isin(labels, rows.special).any()


def test_a_row_of_one_long_word_masks_nothing_and_a_short_row_masks_one_token():
    generator = torch.Generator().manual_seed(0)
    assert not draw(torch.zeros(20, dtype=torch.int64), 0.15, generator).any()
    assert int(draw(torch.arange(3), 0.15, generator).sum()) == 1
    assert not draw(torch.full((4,), -1), 0.15, generator).any()


def test_masks_are_fixed_by_seed_epoch_and_row_and_by_nothing_else(tokenizer):
    rows, same, other = rows_of(tokenizer, 1), rows_of(tokenizer, 1), rows_of(tokenizer, 2)
    first = [rows[place]["input_ids"] for place in range(5)]
    torch.manual_seed(99)  # whatever was drawn before
    assert all(torch.equal(same[place]["input_ids"], first[place]) for place in (4, 2, 0, 1, 3))
    assert any(not torch.equal(other[place]["input_ids"], first[place]) for place in range(5))
    rows.set_epoch(1)
    assert any(not torch.equal(rows[place]["input_ids"], first[place]) for place in range(5))
    rows.set_epoch(0)
    assert torch.equal(rows[3]["input_ids"], first[3])


def test_the_rows_of_a_bad_batch_are_found_again_by_their_masked_tokens(tokenizer):
    rows = rows_of(tokenizer, 1)
    rows.set_epoch(3)
    batch = {"input_ids": torch.stack([rows[7]["input_ids"], rows[2]["input_ids"]])}
    assert where(SimpleNamespace(train_dataset=rows), batch) == [2, 7]


def stage(**more) -> MlmStage:
    return MlmStage(
        kind="mlm",
        model="init",
        corpora=[Corpus(name="bundled-documents", limit=40)],
        held_out=0.2,
        sequence_length=32,
        training={
            "max_steps": 32,
            "per_device_train_batch_size": 8,
            "learning_rate": 0.01,
            "warmup_steps": 2,
            "save_steps": 13,
            "logging_steps": 5,
        },
        **more,
    )


def test_the_loss_is_plain_cross_entropy_over_the_masked_positions(encoder: Path):
    model = loading.load_model(encoder, auto=AutoModelForMaskedLM).eval()
    rows = rows_of(loading.load_tokenizer(encoder))
    nats, count = 0.0, 0
    with torch.no_grad():
        for place in range(len(rows)):
            row = rows[place]
            output = model(input_ids=row["input_ids"][None], labels=row["labels"][None])
            log_probs = output.logits[0].float().log_softmax(-1)
            here = [-float(log_probs[t, label]) for t, label in enumerate(row["labels"].tolist()) if label != -100]
            assert float(output.loss) == pytest.approx(sum(here) / len(here), abs=1e-4)  # what the trainer minimises
            nats, count = nats + sum(here), count + len(here)
    found = masked_loss(model, rows, batch_size=7)
    assert found["masked_tokens"] == count
    assert found["loss"] == pytest.approx(nats / count, abs=1e-3)


def test_documents_of_which_the_tokenizer_knows_no_word_are_refused(encoder: Path):
    model = loading.load_model(encoder, auto=AutoModelForMaskedLM).eval()
    unknown = [{"input_ids": torch.tensor([2, 1, 1, 3]), "labels": torch.full((4,), -100)}]
    with pytest.raises(loading.TrainingError, match="the tokenizer knows none of their words"):
        masked_loss(model, unknown)  # type: ignore[arg-type]


class Stop(Exception):
    """Ends a run as a cut would."""


def test_it_learns_and_a_run_that_was_cut_in_a_later_epoch_ends_with_the_same_bytes(
    encoder: Path, tmp_path: Path, sources: Sources, monkeypatch: pytest.MonkeyPatch
):
    whole = fresh(tmp_path / "whole")
    mlm(stage(), 1, encoder, sources, whole)
    before, after = whole.metrics["held_out_before"], whole.metrics["held_out"]
    assert after["masked_tokens"] == before["masked_tokens"] > 20
    assert after["loss"] < before["loss"] - 0.5
    assert whole.metrics["rows"] < 26 * 8  # the checkpoint that it goes on from is in the second epoch

    cut = fresh(tmp_path / "cut")
    original = training.Progress.on_step_end

    def stop(self, args, state, control, **kwargs):
        original(self, args, state, control, **kwargs)
        if state.global_step == 31:
            raise Stop

    monkeypatch.setattr(training.Progress, "on_step_end", stop)
    with pytest.raises(Stop):
        mlm(stage(), 1, encoder, sources, cut)
    monkeypatch.setattr(training.Progress, "on_step_end", original)
    state = json.loads((cut.checkpoints / "checkpoint-26" / "trainer_state.json").read_text())
    assert state["epoch"] > 1
    assert state["epoch"] % 1 > 0
    mlm(stage(), 1, encoder, sources, cut)
    first, second = ((made.folder / "model" / "model.safetensors").read_bytes() for made in (whole, cut))
    assert first == second
    assert cut.metrics["held_out"] == after


def test_the_examination_is_the_same_whatever_the_seed_of_the_run(encoder: Path, tmp_path: Path, sources: Sources):
    one, other = fresh(tmp_path / "one"), fresh(tmp_path / "other")
    short = stage().model_copy(update={"training": {**stage().training, "max_steps": 3, "warmup_steps": 0}})
    mlm(short, 1, encoder, sources, one)
    mlm(short, 2, encoder, sources, other)
    assert one.metrics["held_out_before"] == other.metrics["held_out_before"]
    assert one.metrics["held_out"] != other.metrics["held_out"]


@pytest.mark.parametrize("kind", ["wordpiece", "bpe"])
def test_a_bert_from_nothing_trains_and_loads(kind: str, tmp_path: Path, sources: Sources):
    begun = fresh(tmp_path / "init")
    block = InitStage(
        kind="init",
        corpora=[Corpus(name="bundled-documents", limit=60)],
        vocab_size=500,
        tokenizer=kind,
        architecture={
            "model_type": "bert",
            "hidden_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 64,
            "max_position_embeddings": 64,
        },
    )
    init(block, 1, sources, begun)
    assert begun.metrics["vocabulary"] == 500
    made = fresh(tmp_path / "mlm")
    short = stage(chinese_words="jieba").model_copy(update={"training": {"max_steps": 1}, "model": "init"})
    mlm(short, 1, begun.folder / "model", sources, made)
    loaded = loading.load_model(made.folder / "model", auto=AutoModelForMaskedLM)
    assert isinstance(loaded, BertForMaskedLM)
    assert loading.load_tokenizer(made.folder / "model").model_max_length == 64


def test_a_decoder_and_a_sequence_that_is_too_long_are_refused(
    tiny_model: Path, encoder: Path, draft: Draft, sources: Sources
):
    with pytest.raises(loading.TrainingError, match="lacks mask_token, cls_token, sep_token"):
        mlm(stage(), 1, tiny_model, sources, draft)
    longer = stage().model_copy(update={"sequence_length": 128})
    with pytest.raises(loading.TrainingError, match="has 64 positions; lower sequence_length"):
        mlm(longer, 1, encoder, sources, draft)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"architecture": {"model_type": "t5"}}, "qwen3 or bert"),
        ({"tokenizer": "wordpiece"}, "wordpiece belongs to a model"),
        ({"lowercase": True}, "lowercase belongs to"),
        ({"architecture": {"hiden_size": 64}}, "unknown key 'hiden_size'; did you mean 'hidden_size'"),
        ({"architecture": {"vocab_size": 64}}, "unknown key 'vocab_size'"),
    ],
)
def test_an_init_block_that_does_not_fit_together_is_explained(given: dict, message: str):
    with pytest.raises(ValidationError, match=message):
        InitStage(**{"kind": "init", "corpora": [Corpus(name="x")], "vocab_size": 300, "architecture": {}, **given})


def test_the_wordpiece_vocabulary_is_the_same_in_each_run():
    texts = [document.text for document in render("bundled-documents") if isinstance(document, Document)][:300]
    vocabularies = [train_encoder_tokenizer(texts, 700, 128, True, True).get_vocab() for _ in range(3)]
    assert vocabularies[0] == vocabularies[1] == vocabularies[2]
    ids = sorted(vocabularies[0], key=vocabularies[0].__getitem__)
    parts = [piece for piece in ids if piece.startswith("##") and len(piece) == 3]
    assert ids[5 : 5 + len(parts)] == sorted(parts)  # which the trainer alone numbers by chance

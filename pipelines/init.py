"""A new model: a tokenizer learnt from the corpora, and random weights."""

from __future__ import annotations

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertTokenizer,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
    RobertaTokenizer,
    set_seed,
)

from corpora.records import Document
from pipelines import training
from pipelines.artifact import Draft
from pipelines.config import CHAT_TEMPLATES, InitStage
from pipelines.data import Sources, records

CHAT_TEMPLATE = CHAT_TEMPLATES / "chatml.jinja"
END_OF_TEXT = "<|endoftext|>"
SPECIAL_TOKENS = [END_OF_TEXT, "<|im_start|>", "<|im_end|>", "<|pad|>"]
PLAIN_MARKS = ["<think>", "</think>", "<tool_call>", "</tool_call>"]  # single tokens that stay visible when decoded

# Words with their leading space, single digits, runs of punctuation, and white space, as GPT-like tokenizers cut them.
PIECES = r" ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def train_tokenizer(texts: list[str], vocab_size: int, max_length: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE (Sennrich et al. 2016; Radford et al. 2019) of ``vocab_size`` entries with a ChatML template."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    marks = [*SPECIAL_TOKENS, *PLAIN_MARKS]
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(marks),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token=END_OF_TEXT,  # ends a document; <|im_end|> ends a turn
        pad_token="<|pad|>",
        additional_special_tokens=["<|im_start|>", "<|im_end|>"],
        model_max_length=max_length,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.add_tokens(PLAIN_MARKS)
    tokenizer.chat_template = CHAT_TEMPLATE.read_text(encoding="utf-8")
    return tokenizer


def train_encoder_tokenizer(
    texts: list[str], vocab_size: int, max_length: int, wordpiece: bool, lowercase: bool
) -> PreTrainedTokenizerBase:
    """An encoder's tokenizer of ``vocab_size`` entries, with mask, classifier, separator, padding and unknown tokens.

    Either BERT's WordPiece, in which each Chinese character is a word of its own, or RoBERTa's byte-level BPE.
    """
    tokenizer: PreTrainedTokenizerBase
    if wordpiece:
        tokenizer = BertTokenizer(vocab=_wordpieces(texts, vocab_size, lowercase), do_lower_case=lowercase)
    else:
        tokenizer = RobertaTokenizer().train_new_from_iterator(texts, vocab_size, show_progress=False)
    tokenizer.model_max_length = max_length
    return tokenizer


def _wordpieces(texts: list[str], vocab_size: int, lowercase: bool) -> dict[str, int]:
    """The vocabulary of BERT's WordPiece, the same in each run.

    The trainer numbers the characters that go on a word ("##a") in the order of a hash table, which differs from run to run, and breaks ties
    by those numbers; so they are given to it in order, before it begins.
    """
    bert = BertTokenizer(do_lower_case=lowercase)
    learner = bert.backend_tokenizer
    words = (word for text in texts for word, _ in learner.pre_tokenizer.pre_tokenize_str(_normal(learner, text)))
    parts = sorted({f"##{letter}" for word in words for letter in word[1:]})
    first = [*bert.all_special_tokens, *parts]
    new = Tokenizer(models.WordPiece(unk_token=str(bert.unk_token)))
    new.normalizer, new.pre_tokenizer = learner.normalizer, learner.pre_tokenizer
    new.train_from_iterator(
        texts, trainers.WordPieceTrainer(vocab_size=vocab_size, special_tokens=first, show_progress=False)
    )
    return new.get_vocab()


def _normal(learner: Tokenizer, text: str) -> str:
    return str(learner.normalizer.normalize_str(text))


def init(stage: InitStage, seed: int, sources: Sources, draft: Draft) -> None:
    """Writes the untrained model to ``draft``.

    Raises:
        DataError: a corpus is missing, empty, or does not hold documents.
    """
    documents = records(stage.corpora, sources, Document)
    texts = [document.text for document in documents]
    architecture = {key: value for key, value in stage.architecture.items() if key != "model_type"}
    max_length = int(architecture.get("max_position_embeddings", 2048 if stage.model_type == "qwen3" else 512))
    tokenizer: PreTrainedTokenizerBase
    if stage.model_type == "bert":
        wordpiece = stage.tokenizer == "wordpiece"
        tokenizer = train_encoder_tokenizer(texts, stage.vocab_size, max_length, wordpiece, stage.lowercase)
        make, ends = (BertConfig, BertForMaskedLM), {}
    else:
        tokenizer = train_tokenizer(texts, stage.vocab_size, max_length)
        make, ends = (Qwen3Config, Qwen3ForCausalLM), {"eos_token_id": tokenizer.eos_token_id, "bos_token_id": None}
    set_seed(seed)
    config = make[0](vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **ends, **architecture)
    model = make[1](config)
    text = "\n".join(document.text[:2000] for document in documents[:200])
    draft.metrics = {
        "parameters": model.num_parameters(),
        "vocabulary": len(tokenizer),
        "bytes_per_token": round(len(text.encode()) / len(tokenizer(text)["input_ids"]), 3),
    }
    training.save_model(model, tokenizer, draft.folder / "model")

"""The bundled chat template, and the loss mask that TRL derives from it, token by token."""

from pathlib import Path

import pytest
import trl

from pipelines import loading, training
from pipelines.config import resolve_chat_template

DIALOGUE = [
    {"role": "system", "content": "You are Osler."},
    {"role": "user", "content": "What is asthma?"},
    {"role": "assistant", "content": "A disease of the airways."},
    {"role": "user", "content": "Thanks."},
    {"role": "assistant", "content": "You are welcome."},
]


@pytest.fixture(scope="module")
def tokenizer(base_model: Path):
    return loading.load_tokenizer(base_model)


def test_layout(tokenizer):
    text = tokenizer.apply_chat_template(DIALOGUE, tokenize=False)
    assert text == (
        "<|im_start|>system\nYou are Osler.<|im_end|>\n"
        "<|im_start|>user\nWhat is asthma?<|im_end|>\n"
        "<|im_start|>assistant\nA disease of the airways.<|im_end|>\n"
        "<|im_start|>user\nThanks.<|im_end|>\n"
        "<|im_start|>assistant\nYou are welcome.<|im_end|>\n"
    )


def test_the_prompt_is_a_prefix_of_the_dialogue(tokenizer):
    prompt = tokenizer.apply_chat_template(DIALOGUE[:2], tokenize=False, add_generation_prompt=True)
    assert tokenizer.apply_chat_template(DIALOGUE, tokenize=False).startswith(prompt)


def test_the_mask_holds_the_assistants_words_and_the_end_of_its_turns_only(tokenizer):
    found = tokenizer.apply_chat_template(DIALOGUE, return_dict=True, return_assistant_tokens_mask=True)
    ids, mask = found["input_ids"], found["assistant_masks"]
    assert len(ids) == len(mask)
    learnt = tokenizer.decode([token for token, on in zip(ids, mask, strict=True) if on])
    assert learnt == "A disease of the airways.<|im_end|>You are welcome.<|im_end|>"
    rest = tokenizer.decode([token for token, on in zip(ids, mask, strict=True) if not on])
    assert "asthma" in rest
    assert "disease" not in rest


def test_trl_trains_on_exactly_those_tokens(tokenizer, tiny_model: Path, draft):
    import datasets
    from trl import SFTTrainer

    args = training.arguments("sft", draft, 0, {"assistant_only_loss": True, "max_steps": 1, "max_length": 128})
    trainer = SFTTrainer(
        model=loading.load_model(tiny_model),
        args=args,
        train_dataset=datasets.Dataset.from_list([{"messages": DIALOGUE}]),
        processing_class=tokenizer,
    )
    batch = next(iter(trainer.get_train_dataloader()))
    expected = tokenizer.apply_chat_template(DIALOGUE, return_dict=True, return_assistant_tokens_mask=True)
    assert batch["input_ids"][0].tolist() == expected["input_ids"]
    labels = batch["labels"][0].tolist()
    for token, label, on in zip(expected["input_ids"], labels, expected["assistant_masks"], strict=True):
        assert label == (token if on else -100)


def test_tools_are_listed_called_and_answered(tokenizer):
    tools = [{"type": "function", "function": {"name": "range", "parameters": {}}}]
    call = {"function": {"name": "range", "arguments": {"test": "sodium"}}}
    text = tokenizer.apply_chat_template(
        [
            {"role": "user", "content": "Sodium?"},
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "content": "133 to 146"},
            {"role": "assistant", "content": "133 to 146 mmol/L."},
        ],
        tools=tools,
        tokenize=False,
    )
    assert text.startswith("<|im_start|>system\nTools:\n")
    assert '<tool_call>\n{"name": "range", "arguments": {"test": "sodium"}}\n</tool_call><|im_end|>' in text
    assert "<|im_start|>tool\n133 to 146<|im_end|>" in text


def test_an_unknown_role_is_refused(tokenizer):
    with pytest.raises(Exception, match="unknown role: doctor"):
        tokenizer.apply_chat_template([{"role": "doctor", "content": "x"}], tokenize=False)


def test_the_bundled_base_is_what_it_is_said_to_be(base_model: Path):
    model = loading.load_model(base_model)
    tokenizer = loading.load_tokenizer(base_model)
    assert model.config.model_type == "qwen3"
    assert 8e6 <= model.num_parameters() <= 16e6
    assert len(tokenizer) <= 12_000
    assert model.config.max_position_embeddings >= 1024
    assert sum(path.stat().st_size for path in base_model.iterdir()) <= 32 * 2**20
    text = "Naïve 100 µg/L — “ça va?”\n\ttabs 日本"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_the_turns_of_llama_3_are_metas_and_the_mask_is_trls(tokenizer):
    theirs = (Path(trl.__file__).parent / "chat_templates" / "llama3_training.jinja").read_text(encoding="utf-8")
    ours = Path(resolve_chat_template("bundled:llama3")).read_text(encoding="utf-8")
    for generation in (False, True):
        texts, masks = [], []
        for template in (theirs, ours):
            arguments = {
                "chat_template": template,
                "add_generation_prompt": generation,
                "bos_token": "<|begin_of_text|>",
            }
            texts.append(tokenizer.apply_chat_template(DIALOGUE, tokenize=False, **arguments))
            found = tokenizer.apply_chat_template(
                DIALOGUE, return_dict=True, return_assistant_tokens_mask=True, **arguments
            )
            masks.append(found["assistant_masks"])
        assert texts[0] == texts[1]
        assert masks[0] == masks[1]
        assert sum(masks[0])

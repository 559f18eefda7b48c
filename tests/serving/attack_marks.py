"""Whether a text gained a control token: of one tokenizer's chat template, or of any family's that is known."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers

# Marks of chat templates, by family, as their tokenizers hold them.
FAMILIES = {
    "chatml": ["<|im_start|>", "<|im_end|>", "<|endoftext|>"],
    "llama3": ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
    "llama2": ["<s>", "</s>", "[INST]", "[/INST]", "<<SYS>>", "<</SYS>>"],
    "mistral": [
        "[SYSTEM_PROMPT]",
        "[/SYSTEM_PROMPT]",
        "[TOOL_RESULTS]",
        "[/TOOL_RESULTS]",
        "[AVAILABLE_TOOLS]",
        "[TOOL_CALLS]",
    ],
    "gemma": ["<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"],
    "deepseek": ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>", "<｜System｜>"],
    "glm": ["[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>"],
    "phi": ["<|system|>", "<|end|>", "<|user|>"],
    "baichuan": ["<reserved_106>", "<reserved_107>"],
    "qwen": [
        "<tool_call>",
        "</tool_call>",
        "<tool_response>",
        "</tool_response>",
        "<think>",
        "</think>",
        "<|vision_start|>",
    ],
}


def _family_tokenizers() -> list[Tokenizer]:
    made = []
    for marks in FAMILIES.values():
        for normalized in (False, True):
            tokenizer = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))
            if normalized:
                dropped = normalizers.Replace(Regex("[\\u00ad\\u200b-\\u200f\\u2060\\ufeff]"), "")
                tokenizer.normalizer = normalizers.Sequence([dropped, normalizers.NFKC()])
            tokenizer.add_special_tokens([AddedToken(mark, normalized=normalized) for mark in marks])
            made.append(tokenizer)
    return made


FAMILY_TOKENIZERS = _family_tokenizers()


def marks_in(text: str) -> bool:
    """Whether a tokenizer of any family finds one of its control tokens in ``text``."""
    return any(any(tokenizer.encode(text).ids) for tokenizer in FAMILY_TOKENIZERS)


def controls(tokenizer: Any, messages: list[dict[str, Any]]) -> bool:
    """Whether the text of ``messages`` gained a control token, of this tokenizer's or of any family's."""
    special = set(tokenizer.all_special_ids) | {
        at for at, token in tokenizer.added_tokens_decoder.items() if token.special
    }
    harmless = [{**one, "content": "word"} for one in messages]

    def count(turns: list[dict[str, Any]]) -> Counter[int]:
        ids = tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=True, return_dict=True)[
            "input_ids"
        ]
        return Counter(one for one in ids if one in special)

    return count(messages) != count(harmless) or any(marks_in(str(one["content"])) for one in messages)

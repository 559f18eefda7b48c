"""What a reasoning model answered, without what it thought.

Models mark their thoughts in their own ways. Thoughts that were begun and never ended leave no answer at all: the letters in
them were only weighed.
"""

from __future__ import annotations

import re

# Begin and end of thoughts, as chat templates of released models have them: Qwen3, DeepSeek-R1 and most others; variants of the same
# name; Magistral; Command A Reasoning; Kimi-VL; Seed-OSS; Sky-T1 and OpenThinker.
MARKS = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("[THINK]", "[/THINK]"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("◁think▷", "◁/think▷"),
    ("<seed:think>", "</seed:think>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
)
# What comes before the answer: gpt-oss's final channel, and HuatuoGPT-o1's heading.
HARMONY = "<|channel|>final<|message|>"
HEADINGS = re.compile(r"^#+ *Final Response *:?\s*$", re.MULTILINE | re.IGNORECASE)
THINKING_HEADING = re.compile(r"\A\s*#+ *Thinking\b", re.IGNORECASE)


def without_thinking(text: str) -> str:
    """The answer in what a model wrote; empty where its thoughts never ended."""
    if "<|channel|>" in text:
        _, found, answer = text.rpartition(HARMONY)
        text = answer if found else ""
    for begin, end in MARKS:
        _, closed, after = text.rpartition(end)  # templates often put the begin into the prompt
        if closed:
            text = after
        if begin in text:
            text = text.partition(begin)[0]
    headings = list(HEADINGS.finditer(text))
    if headings:
        text = text[headings[-1].end() :]
    elif THINKING_HEADING.match(text):
        text = ""
    return re.sub(r"<\|[^|<>\s]{1,40}\|>", "", text).strip()

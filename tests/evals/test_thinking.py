"""What is thought is no answer, however a model marks it."""

import pytest

from evals.reading.replies import strip_thinking as without_thinking


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The answer is B.", "The answer is B."),
        ("<think>A? No.</think>\n\nB", "B"),
        ("A? No.</think>B", "B"),  # the template began the thoughts
        ("<think>A, or perhaps", ""),
        ("<think>A</think>no<think>and again", ""),
        ("<think>A</think><think>B</think>C", "C"),
        ("<thinking>A</thinking> C", "C"),
        ("[THINK]A[/THINK]D", "D"),
        ("◁think▷A◁/think▷D", "D"),
        ("<|begin_of_thought|>A<|end_of_thought|>\n<|begin_of_solution|>C<|end_of_solution|>", "C"),
        ("<|channel|>analysis<|message|>A?<|end|><|start|>assistant<|channel|>final<|message|>C", "C"),
        ("<|channel|>analysis<|message|>A, or", ""),
        ("## Thinking\n\nA?\n\n## Final Response\n\nC", "C"),
        ("## Thinking\n\nA, or", ""),
        ("C<|im_end|>", "C"),
        ("Blood pressure <90 and pH >7.4: C", "Blood pressure <90 and pH >7.4: C"),
    ],
)
def test_thoughts_are_taken_off(text: str, answer: str):
    assert without_thinking(text) == answer

"""What a model is given for an item: the prompt with its examples, and the answers that are scored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from corpora.records import LETTERS, ExamItem
from evals.exam.tasks import Task

Render = Callable[[list[dict[str, str]]], str]
EXAMPLES_APART = "\n\n"  # between examples, as lm-eval and the MMLU authors have it
DEFAULT_INSTRUCTION = {
    "en": 'Think it through, then end with "The answer is X", where X is {letters}.',
    "zh": "请先思考，最后以“答案是X”结束，X 为{letters}。",
    "es": 'Razónelo y termine con "La respuesta es X", donde X es {letters}.',
}
ONE = {"en": "the letter of the right option", "zh": "正确选项的字母", "es": "la letra de la opción correcta"}
ALL = {
    "en": "the letters of all right options",
    "zh": "所有正确选项的字母",
    "es": "las letras de todas las opciones correctas",
}


@dataclass(frozen=True)
class Prompter:
    """Lays out the items of one task for one model.

    ``render`` is the model's own chat template, or None for plain text. In the chat format the description is the system's turn and each
    example a turn of the user and one of the assistant, and no space stands before the scored answer, as lm-eval has it.
    """

    task: Task
    render: Render | None = None
    examples: Sequence[ExamItem] = ()
    free: bool = False  # whether the answer is written freely and not scored by likelihood

    def continuations(self, item: ExamItem) -> list[str]:
        """The answers that are scored by likelihood, one for each option."""
        lead = "" if self.render is not None else self.task.lead
        return [f"{lead}{answer}" for answer in self._answers(item)]

    def prompt(self, item: ExamItem) -> str:
        """Everything before the answer."""
        description = self._filled("description", item)
        if self.render is None:
            shown = [f"{self._ask(one)}{self.task.lead}{self._right(one)}{EXAMPLES_APART}" for one in self._shown(item)]
            return f"{description}{''.join(shown)}{self._ask(item)}"
        messages = [{"role": "system", "content": description}] if description.strip() else []
        for one in self._shown(item):
            messages.append({"role": "user", "content": self._ask(one)})
            messages.append({"role": "assistant", "content": self._right(one)})
        messages.append({"role": "user", "content": self._ask(item)})
        return self.render(messages)

    def without_question(self) -> str:
        """What stands before the answer when nothing is asked, for the answer's own likelihood."""
        if self.render is None:
            return self.task.cue.strip()
        said = self.task.cue
        if self.task.chat_prompt is not None:
            nothing = dict.fromkeys(("question", "context", "options", "letters", "subject"), "")
            said = self.task.filled("chat_prompt", "without a question", **nothing, meta={})
        return self.render([{"role": "user", "content": said.strip()}])

    @property
    def lists_options(self) -> bool:
        """Whether the prompt lists the options, so that their order is seen."""
        return self.task.lists_options(self._asked) or self._added

    @property
    def _asked(self) -> Literal["prompt", "chat_prompt"]:
        """The template that is filled in."""
        in_chat = self.render is not None and not self.free and self.task.chat_prompt is not None
        return "chat_prompt" if in_chat else "prompt"

    @property
    def _added(self) -> bool:
        """Whether the options are listed although the task scores their texts: one who answers freely has to know them."""
        return self.free and self.task.answers == "texts" and not self.task.choices

    def _ask(self, item: ExamItem) -> str:
        asked = self._filled(self._asked, item)
        if self._asked == "chat_prompt":
            return asked
        if self._added and not self.task.lists_options("prompt"):
            asked = f"{asked}\n{self._listed(item)}"
        if self.free and self.render is not None:
            count = ALL if self.task.several else ONE
            language = self.task.language
            if self.task.instruction is None:
                return asked
            said = self.task.instruction or DEFAULT_INSTRUCTION[language].format(letters=count[language])
            return f"{asked}\n\n{said}"
        return f"{asked}{self.task.cue}"

    def _shown(self, item: ExamItem) -> Sequence[ExamItem]:
        """The examples before an item: all, or of those like it the first ones, where the task takes them by group."""
        names = self.task.data.fewshot_by
        if not names:
            return self.examples
        alike = [one for one in self.examples if all(one.meta.get(name) == item.meta.get(name) for name in names)]
        return alike[: self.task.num_fewshot]

    def _answers(self, item: ExamItem) -> list[str]:
        return list(LETTERS[: len(item.options)]) if self.task.answers == "letters" else list(item.options)

    def _right(self, item: ExamItem) -> str:
        if self.task.worked and item.meta.get(self.task.worked):
            # The published text begins with what here is the cue.
            return (
                str(item.meta[self.task.worked])
                .removeprefix("A:")
                .strip()
                .removeprefix(self.task.worked_begins)
                .strip()
            )
        answers = self._answers(item)
        return "".join(answers[place] for place in item.answers)

    def _filled(self, field: Literal["prompt", "chat_prompt", "description"], item: ExamItem) -> str:
        return self.task.filled(
            field,
            item.id,
            question=item.question,
            context=item.context,
            options=self._listed(item),
            letters=", ".join(LETTERS[: len(item.options)]),
            subject=str(item.meta.get("subject", "")),
            meta=item.meta,
        )

    def _listed(self, item: ExamItem) -> str:
        return "\n".join(
            self.task.option.format(letter=letter, text=text)
            for letter, text in zip(LETTERS, item.options, strict=False)
        )

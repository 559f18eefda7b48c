"""Every bundled task is whole, asks as its convention does, and takes a user's file in any published form or says what is missing."""

import importlib.util
import json
import re
from pathlib import Path

import pytest
import yaml

from corpora.bundled.render import render
from corpora.errors import DataError
from corpora.records import ExamItem
from evals.engines import in_own_template
from evals.exam.items import items_of
from evals.exam.own_file import parse_mapping
from evals.exam.prompts import Prompter
from evals.exam.source import Source
from evals.exam.task_files import load_suite, load_task, suite_names, task_names, variant_names
from evals.exam.variants import blanked, original_place, rotated, varied
from evals.open.run import prompt_of
from evals.open.shapes import OpenItem
from evals.score import chat_asker, plain_asker
from pipelines.bundled import RECIPES
from pipelines.loading import load_tokenizer

QUESTION = "Which vitamin prevents scurvy?"
TEXTS = ["Vitamin A", "Vitamin B1", "Vitamin C", "Vitamin D"]
ITEM = ExamItem(id="1", question=QUESTION, options=TEXTS, answers=[2], context="", meta={"subject": "anatomy"})

# The same question in the forms in which MedQA and its mirrors are published.
FORMS = {
    "medqa": {"question": QUESTION, "answer": "Vitamin C", "options": dict(zip("ABCD", TEXTS, strict=True)), "meta_info": "step1", "answer_idx": "C"},
    "swag": {"id": "7", "sent1": QUESTION, "sent2": "", **{f"ending{n}": text for n, text in enumerate(TEXTS)}, "label": 2},
    "key-value": {"question": QUESTION, "options": [{"key": k, "value": v} for k, v in zip("ABCD", TEXTS, strict=True)], "answer_idx": "C"},
    "columns": {"question": QUESTION, **{f"option_{k}": v for k, v in zip("abcd", TEXTS, strict=True)}, "correct_answer": "C"},
    "op": {"question": QUESTION, **{f"op{k}": v for k, v in zip("abcd", TEXTS, strict=True)}, "answer": "c"},
    "arc": {"question": QUESTION, "choices": {"text": TEXTS, "label": list("ABCD")}, "answerKey": "C"},
    "letter": {"question": QUESTION, "options": TEXTS, "answer_letter": "C"},
    "numbered-columns": {"question": QUESTION, **{f"option{n}": text for n, text in enumerate(TEXTS, start=1)}, "answer": "C", "answer_id": 2},
    "stem": {"question": {"stem": QUESTION, "choices": [{"text": v, "label": k} for k, v in zip("ABCD", TEXTS, strict=True)]}, "answerKey": "C"},
    "json-text": {"question": QUESTION, "options": json.dumps(TEXTS), "answer": "(C)"},
    "python-text": {"question": QUESTION, "options": str(TEXTS), "answer": "C. Vitamin C"},
    "lettered": {"question": QUESTION, "options": [f"{k}. {v}" for k, v in zip("ABCD", TEXTS, strict=True)], "answer": "C)"},
    "titled": {"Question": QUESTION, **{f"Choice {k}": v for k, v in zip("ABCD", TEXTS, strict=True)}, "Answer": "C"},
    "text": {"question": QUESTION, "options": TEXTS, "answer": "Vitamin C"},
    "inside": {"id": "7", "data": {"Question": QUESTION, "Options": dict(zip("ABCD", TEXTS, strict=True)), "Correct Option": "C", "Correct Answer": "Vitamin C"}},
    "prompt": {"prompt": QUESTION, **dict(zip("abcd", TEXTS, strict=True)), "correct": "c"},
}  # fmt: skip


def written(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def read(path: Path, task: str = "medqa", *mapping: str) -> list[ExamItem]:
    return list(items_of(load_task(task), Source(file=path, mapping=parse_mapping(list(mapping)))))


@pytest.mark.parametrize("name", [*task_names(), *variant_names()])
def test_every_task_is_whole_and_renders(name: str):
    task = load_task(name)
    assert task.source
    assert task.data_licence
    assert task.data.dataset or task.data.address
    prompt = Prompter(task).prompt(ITEM)
    assert QUESTION in prompt
    assert prompt.endswith(task.cue)
    assert not task.several or task.scoring != "likelihood"


def test_every_suite_names_tasks_that_there_are():
    assert {"quick", "open-medical-llm", "multimedqa", "zh-med", "safety", "full"} <= set(suite_names())
    for name in suite_names():
        assert load_suite(name)[1]
    assert {task.name for task in load_suite("full")[1] if task.variant == "none"} == set(task_names())


def lm_eval_module(folder: str, name: str):
    package = importlib.util.find_spec("lm_eval")
    assert package is not None
    assert package.origin is not None
    path = Path(package.origin).parent / "tasks" / folder / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_prompts_are_those_of_lm_eval():
    columns = dict(zip(("opa", "opb", "opc", "opd"), TEXTS, strict=True))
    theirs = lm_eval_module("medmcqa", "utils_medmcqa").doc_to_text({"question": QUESTION, **columns})
    assert Prompter(load_task("medmcqa")).prompt(ITEM) == theirs
    ends = {f"ending{n}": text for n, text in enumerate(TEXTS)}
    theirs = lm_eval_module("medqa", "preprocess_medqa").doc_to_text({"sent1": QUESTION, **ends})
    assert Prompter(load_task("medqa")).prompt(ITEM) == theirs
    theirs = lm_eval_module("pubmedqa", "preprocess_pubmedqa").doc_to_text(
        {"CONTEXTS": ["One.", "Two."], "QUESTION": QUESTION}
    )
    passage = ITEM.model_copy(update={"context": "One.\nTwo."})
    assert Prompter(load_task("pubmedqa")).prompt(passage) == theirs
    assert Prompter(load_task("medqa")).continuations(ITEM) == [" A", " B", " C", " D"]


def test_examples_stand_before_the_question_in_plain_text_and_as_turns_in_chat():
    task = load_task("mmlu-anatomy")
    plain = Prompter(task, examples=[ITEM]).prompt(ITEM)
    head = "The following are multiple choice questions (with answers) about anatomy.\n\n"
    asked = f"{QUESTION}\nA. Vitamin A\nB. Vitamin B1\nC. Vitamin C\nD. Vitamin D\nAnswer:"
    assert plain == f"{head}{asked} C\n\n{asked}"
    seen: list[list[dict[str, str]]] = []
    chat = Prompter(task, lambda messages: seen.append(messages) or "", examples=[ITEM])  # type: ignore[func-returns-value]
    chat.prompt(ITEM)
    assert [message["role"] for message in seen[0]] == ["system", "user", "assistant", "user"]
    assert seen[0][2]["content"] == "C"
    assert chat.continuations(ITEM) == ["A", "B", "C", "D"]


def test_the_bundled_exam_has_as_many_items_as_its_task_says():
    task = load_task("bundled-exam")
    assert sum(1 for _ in items_of(task, Source())) == task.data.published


def test_the_task_asks_the_bundled_exam_as_the_recipe_nano_does(base_model: Path):
    """Or one model would have two scores: one in its run's report and another by `osler eval --task`."""
    stage = yaml.safe_load((RECIPES / "nano.yaml").read_text(encoding="utf-8"))["stages"]["exam"]
    tokenizer = load_tokenizer(base_model)
    tokenizer.chat_template = "{% for one in messages %}<{{ one.role }}>{{ one.content }}{% endfor %}<assistant>"
    task = load_task("bundled-exam")
    assert stage["items"] == [{"name": "bundled-exam", "normalise": task.normalise}]
    items = [item for item in render("bundled-exam") if isinstance(item, ExamItem)][:20]
    assert items == list(items_of(task, Source(limit=20)))
    askers = [(plain_asker(), Prompter(task))]
    askers.append(
        (
            chat_asker(tokenizer, stage["instruction"]),
            Prompter(task, lambda said: in_own_template(tokenizer, said, "base")),
        )
    )
    for asker, prompter in askers:
        assert prompter.without_question() == asker.prompt("", "")
        for item in items:
            assert prompter.prompt(item) == asker.prompt(item.question, item.context)
            assert prompter.continuations(item) == [f"{asker.lead}{option}" for option in item.options]


def test_options_are_listed_for_one_who_answers_freely():
    task = load_task("bundled-exam")
    assert not Prompter(task).lists_options
    free = Prompter(task, free=True)
    assert free.lists_options
    assert free.prompt(ITEM).endswith("\nC. Vitamin C\nD. Vitamin D\nAnswer:")
    chat = Prompter(task, lambda messages: messages[-1]["content"], free=True).prompt(ITEM)
    assert chat.endswith(
        'Vitamin D\n\nThink it through, then end with "The answer is X", where X is the letter of the right option.'
    )


@pytest.mark.parametrize("form", FORMS)
def test_a_file_in_any_published_form_is_read(tmp_path: Path, form: str):
    item, _ = read(written(tmp_path / "test.jsonl", FORMS[form], FORMS[form]))
    assert (item.question, item.options, item.answers) == (QUESTION, TEXTS, [2])


def test_fields_of_no_known_form_are_mapped(tmp_path: Path):
    path = written(tmp_path / "own.jsonl", {"stem_of_it": QUESTION, "alts": TEXTS, "sol": "C", "note": "x"})
    with pytest.raises(DataError) as told:
        read(path)
    for part in ("a question", "the options", "the answer", "stem_of_it, alts, sol, note", "--map question=FIELD"):
        assert part in str(told.value)
    [item] = read(path, "medqa", "question=stem_of_it", "options=alts", "answer=sol")
    assert (item.question, item.options, item.answers) == (QUESTION, TEXTS, [2])
    apart = written(
        tmp_path / "apart.jsonl", {"q": {"text": QUESTION}, "w": "1", "x": "2", "y": "3", "z": "4", "sol": 3}
    )
    [item] = read(apart, "medqa", "question=q.text", "options=w,x,y,z", "answer=sol", "first=1")
    assert (item.options, item.answers) == (["1", "2", "3", "4"], [2])


def test_a_known_field_that_means_something_else_gives_way_to_the_mapping(tmp_path: Path):
    path = written(tmp_path / "own.jsonl", {**FORMS["letter"], "answer_letter": "A", "truth": "C"})
    [item] = read(path, "medqa", "answer=truth")
    assert item.answers == [2]


def test_numbers_are_counted_from_where_all_rows_together_say(tmp_path: Path):
    def row(answer: int) -> dict[str, object]:
        return {"question": QUESTION, "options": TEXTS, "answer": answer}

    one_based = read(written(tmp_path / "one.jsonl", row(1), row(4)))
    assert [item.answer for item in one_based] == [0, 3]
    zero_based = read(written(tmp_path / "zero.jsonl", row(0), row(3)))
    assert [item.answer for item in zero_based] == [0, 3]
    with pytest.raises(DataError, match="--map first=0 or --map first=1"):
        read(written(tmp_path / "either.jsonl", row(1), row(2)))


def test_bad_rows_are_named_and_none_is_left_out(tmp_path: Path):
    good = FORMS["medqa"]
    path = written(tmp_path / "test.jsonl", good, {**good, "answer_idx": "F"}, good, {**good, "question": " "})
    with pytest.raises(DataError, match=r"2 of the rows cannot be used.*row 2: .*row 4: 'question' is empty"):
        read(path)


def test_a_letter_and_a_text_that_name_different_options_are_a_bad_row(tmp_path: Path):
    path = written(tmp_path / "test.jsonl", FORMS["medqa"], {**FORMS["medqa"], "answer_idx": "A"})
    with pytest.raises(DataError, match="row 2: 'answer_idx' and 'answer' name different options"):
        read(path)


def test_several_right_options_need_a_task_that_asks_for_them(tmp_path: Path):
    path = written(
        tmp_path / "test.jsonl",
        {
            "Question": QUESTION,
            "Options": "\n".join(f"{k} {v}" for k, v in zip("ABCD", TEXTS, strict=True)),
            "Answer": "BC",
        },
    )
    with pytest.raises(DataError, match="2 options are right"):
        read(path)
    assert read(path, "cmexam")[0].answers == [1, 2]


def test_data_that_are_not_at_hand_are_told_how_to_get(tmp_path: Path):
    with pytest.raises(DataError, match=r"osler corpora fetch medqa-usmle.*--file FILE"):
        next(items_of(load_task("medqa"), Source(tmp_path)))
    with pytest.raises(DataError, match=r"github\.com/jind11/MedQA"):
        next(items_of(load_task("medqa-5"), Source(tmp_path)))


def test_a_subject_is_read_from_the_hubs_own_layout(tmp_path: Path):
    for part, count in (("test", 3), ("dev", 5)):
        folder = tmp_path / "mmlu-medical" / "anatomy"
        folder.mkdir(parents=True, exist_ok=True)
        written(
            folder / f"{part}-00000-of-00001.jsonl",
            *[
                {"question": f"{part} {n}", "subject": "anatomy", "choices": TEXTS, "answer": n % 4}
                for n in range(count)
            ],
        )
    items = list(items_of(load_task("mmlu-anatomy"), Source(tmp_path)))
    assert [item.question for item in items] == ["test 0", "test 1", "test 2"]


def test_ids_are_unique(tmp_path: Path):
    row = {**FORMS["medqa"], "id": "same"}
    ids = [item.id for item in read(written(tmp_path / "test.jsonl", row, row, row))]
    assert len(set(ids)) == 3


def test_a_task_of_the_users_own(tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.write_text("extends: medqa\ntitle: Mine\nsource: me\nprompt: 'Q: {{ question }}'\n", encoding="utf-8")
    assert Prompter(load_task(str(path))).prompt(ITEM) == f"Q: {QUESTION}\nAnswer:"
    path.write_text("extends: medqa\nscorring: x\n", encoding="utf-8")
    with pytest.raises(DataError, match="scorring"):
        load_task(str(path))
    with pytest.raises(DataError, match="did you mean 'medqa'"):
        load_task("medaq")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("prompt: '{{ question'", "mine', prompt: not a valid template"),
        ("option: '{number}. {text}'", "mine', option: it may hold {letter} and {text} alone, not 'number'"),
        ("option: '{letter'", "mine', option: it may hold"),
    ],
)
def test_a_template_that_cannot_be_filled_in_is_told_when_the_task_is_read(tmp_path: Path, line: str, told: str):
    path = tmp_path / "mine.yaml"
    path.write_text(f"extends: medqa\n{line}\n", encoding="utf-8")
    with pytest.raises(DataError, match=re.escape(told)):
        load_task(str(path))


@pytest.mark.parametrize("wanted", ["nothing", "question + 1", "question.__class__.mro()"])
def test_a_prompt_that_asks_for_what_an_item_has_not_is_told_with_the_item(tmp_path: Path, wanted: str):
    path = tmp_path / "mine.yaml"
    path.write_text(f"extends: medqa\nprompt: '{{{{ {wanted} }}}}'\n", encoding="utf-8")
    with pytest.raises(DataError, match=f"task 'mine', prompt of item {ITEM.id}: "):
        Prompter(load_task(str(path))).prompt(ITEM)
    path.write_text(f"extends: medquad\nprompt: '{{{{ {wanted} }}}}'\n", encoding="utf-8")
    with pytest.raises(DataError, match="task 'mine', prompt of item a/1: "):
        prompt_of(OpenItem("a/1", (("user", "Is rain wet?"),)), load_task(str(path)), None)


def test_a_prompt_lists_the_options_where_it_has_a_place_for_them(tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.write_text("extends: medqa\nprompt: 'Which of the options? {{ question }}'\n", encoding="utf-8")
    assert not Prompter(load_task(str(path))).lists_options
    assert Prompter(load_task("medqa")).lists_options


def test_the_options_are_listed_where_the_prompt_in_use_has_a_place_for_them(tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "extends: medqa\nanswers: texts\nprompt: '{{ question }}'\nchat_prompt: '{{ question }} {{ options }}'\n"
    )
    task = load_task(str(path))

    def in_turns(messages: list[dict[str, str]]) -> str:
        return messages[-1]["content"]

    assert not Prompter(task).lists_options
    assert Prompter(task, in_turns).lists_options
    written = Prompter(task, in_turns, free=True)  # in the words of the prompt, not of the chat prompt
    assert "B. Vitamin B1" in written.prompt(ITEM)
    path.write_text("extends: medqa\nchat_prompt: '{{ question }}'\n")
    assert not Prompter(load_task(str(path)), in_turns).lists_options


def test_rotations_keep_the_right_option_and_come_back():
    for by in range(4):
        turned = rotated(ITEM, by)
        assert turned.options[turned.answer] == "Vitamin C"
        assert original_place(turned.answer, by, 4) == 2
    assert sorted(rotated(ITEM, place).answer for place in range(4)) == [0, 1, 2, 3]
    assert blanked(ITEM).question == ""


def test_variants_are_what_they_say():
    assert varied(ITEM, "nota", "en").options[2] == "None of the other answers"
    unsure = varied(ITEM, "unsure", "zh")
    assert (unsure.options[-1], unsure.answers) == ("我不知道", [2])

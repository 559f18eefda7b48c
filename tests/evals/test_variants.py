"""The variants of a task: which tasks have them, and which items cannot be asked so."""

import json
from pathlib import Path

import pytest

from corpora.errors import DataError
from corpora.records import ExamItem
from evals.asking.finished import Finished
from evals.exam.items import items_of
from evals.exam.known_errors import known_errors
from evals.exam.source import Source
from evals.exam.task_files import load_suite, load_task, suite_names, task_names, variant_names
from evals.exam.variants import KINDS, can_be_varied, speaks_of_others
from evals.run import Options, run_task
from tests.evals.stub_engine import Stub


def test_every_task_whose_prompt_lists_its_options_has_both_variants():
    listing = {name for name in task_names() if load_task(name).has_variants}
    assert {"cmexam", "cmb-exam", "medqa", "medqa-5", "careqa-es", "ceval-physician", "medbullets", "mmlu-anatomy"} <= listing  # fmt: skip
    assert set(variant_names()) == {f"{name}-{ending}" for name in listing for ending in ("nota", "unsure")}
    for name in variant_names():
        task, plain = load_task(name), load_task(name.rpartition("-")[0])
        assert (task.name, task.plain_name, task.variant) == (name, plain.name, name.rpartition("-")[2])
        assert task.plain.model_dump(exclude={"name", "title", "version", "source"}) == plain.model_dump(
            exclude={"name", "title", "version", "source"}
        )
        assert task.source.startswith(plain.source)
    assert {task.variant for name in suite_names() for task in load_suite(name)[1]} == {"none", "nota", "unsure"}


@pytest.mark.parametrize("name", ["pubmedqa-nota", "bundled-exam-unsure", "headqa-nota", "medxpertqa-unsure", "healthbench-nota"])  # fmt: skip
def test_a_task_whose_options_are_not_listed_has_none(name: str):
    with pytest.raises(DataError, match=f"no task '{name}': the prompt of .* does not list options of its items"):
        load_task(name)


def own(folder: Path, text: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("ending", ["nota", "unsure"])
def test_a_task_of_ones_own_extends_a_variant(tmp_path: Path, ending: str):
    task, theirs = load_task(own(tmp_path, f"extends: medqa-{ending}\ncue: ' Reply:'\n")), load_task(f"medqa-{ending}")
    assert (task.name, task.cue, task.variant) == ("mine", " Reply:", ending)
    assert task.model_dump(exclude={"name", "cue"}) == theirs.model_dump(exclude={"name", "cue"})
    (tmp_path / "ward.yaml").write_text("extends: medqa\ntitle: Ward\nversion: 3\n")
    beside = load_task(own(tmp_path, f"extends: ward-{ending}\n"))  # of a task of one's own
    assert (beside.title.startswith("Ward, "), beside.version, beside.variant) == (
        True,
        3 + KINDS[ending].revision,
        ending,
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("extends: pubmedqa-nota\n", "variant 'nota' .* this task's prompt does not list options of its items"),
        ("extends: medqa\nvariant: unsure\nprompt: '{{ question }}'\n", "variant 'unsure' .* does not list options"),
        ("extends: medqa-noto\n", "extends 'medqa-noto', which is no task here .*; did you mean 'medqa-nota'"),
        ("extends: zzz-nota\n", "extends 'zzz-nota', which is no task here or in the package"),
    ],
)
def test_a_task_of_ones_own_that_has_no_variant_is_told(tmp_path: Path, text: str, told: str):
    with pytest.raises(DataError, match=rf"mine\.yaml: {told}"):
        load_task(own(tmp_path, text))


def test_a_wrong_name_is_told_the_variant_that_is_like_it():
    with pytest.raises(DataError, match="did you mean 'cmexam-nota'"):
        load_task("cmexam-nots")


@pytest.mark.parametrize(
    ("language", "option"),
    [
        *[("en", one) for one in ("All of the above", "none of the above.", "All the above", "Any of above", "None", "BOTH", "A and B", "a & c", "(b), (d)", "Both a and b", "both bc", "All of these", "None of the other options", "All are true", "Either of the above two", "Both (a) & (c)", "Options A and D")],
        *[("zh", one) for one in ("以上都是", "以上均不是", "上述各项均可", "以上皆非", "都不是", "均正确", "全部正确", "A和B", "A+C", "AB", "无正确答案", "病情如以上各项")],
        *[("es", one) for one in ("Todas las anteriores", "Ninguna de las respuestas anteriores", "Todas son correctas.", "Las dos anteriores", "Respuestas 1 y 3", "a y c", "Ambas")],
    ],
)  # fmt: skip
def test_an_option_that_speaks_of_the_others_is_known(language: str, option: str):
    assert speaks_of_others(option, language)


@pytest.mark.parametrize(
    ("language", "option"),
    [
        *[("en", one) for one in ("Cord", "Eye", "Both eyes", "All nucleated cells", "1 cm above the ischial spine", "Parallel to each other", "Vitamin A", "Some other calcium-containing liquid", "None of the vessels is open", "Both lateral and medial pterygoid", "Vitamins A and B")],
        *[("zh", one) for one in ("60岁以上", "体温38℃以上", "ABO血型不合", "维生素A和B", "全身麻醉", "全血", "都市环境", "无菌操作", "B超", "DNA", "ACEI")],
        *[("es", one) for one in ("Todas las células nucleadas", "Ambos riñones", "Vitamina A", "Cara anterior de la pierna", "Oído")],
    ],
)  # fmt: skip
def test_an_option_that_speaks_of_none_is_left_alone(language: str, option: str):
    assert not speaks_of_others(option, language)


def item(options: list[str], answers: list[int]) -> ExamItem:
    return ExamItem(id="t/1", question="?", options=options, answers=answers, source="t")


def test_several_right_options_or_one_that_speaks_of_the_others_leave_no_right_answer_to_none_of_them():
    assert can_be_varied(item(["甲", "乙", "丙"], [1]), "nota", "zh")
    assert not can_be_varied(item(["甲", "乙", "丙"], [0, 1]), "nota", "zh")
    assert not can_be_varied(item(["甲", "乙", "以上都是"], [0]), "nota", "zh")
    assert can_be_varied(item(["甲", "乙", "以上都是"], [0, 1]), "unsure", "zh")


def test_what_is_left_out_of_a_set_with_several_right_options_is_told(tmp_path: Path):
    keys = ["A", "AC", "B", "D", "C"]
    rows = [{"Question": f"题{n}", "Options": f"A 甲\nB 乙\nC 丙\nD {'以上都是' if n == 3 else '丁'}", "Answer": key} for n, key in enumerate(keys)]  # fmt: skip
    file = tmp_path / "test.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

    def names_it(prompt: str) -> str:
        return prompt[prompt.index("以上其他选项均不正确") - 2]

    with Finished(tmp_path / "f.sqlite") as finished:
        found = run_task(load_task("cmexam-nota"), Stub(names_it), Source(file=file), tmp_path / "out", Options(), finished)  # fmt: skip
    assert (found["n"], found["accuracy"]) == (3, 1.0)
    assert [note for note in found["notes"] if "left out" in note] == [
        "2 of the 5 items are left out: several of their options are right, or one speaks of the others, so that 'none of the others' would be no right answer"
    ]
    assert "5 items were read, and the published split has 6,811" in found["notes"]
    assert [one.id for one in items_of(load_task("cmexam-nota"), Source(file=file))] == [f"test/{n}" for n in (1, 3, 5)]
    unsure = list(items_of(load_task("cmexam-unsure"), Source(file=file)))
    assert [(one.options[-1], one.answers) for one in unsure][1] == ("我不知道", [0, 2])


def test_a_variants_items_have_the_known_errors_of_their_task_and_of_a_list_that_names_the_variant(tmp_path: Path):
    task = load_task("medqa-unsure")
    assert known_errors(task.name, plain=task.plain_name).lists == known_errors("medqa").lists != []
    own = tmp_path / "own.yaml"
    own.write_text("{title: Ours, source: a reader, tasks: [medqa-unsure], errors: [{item: a, wrong: wrong key}]}")
    assert known_errors(task.name, own, task.plain_name).lists[0].title == "Ours"
    assert "Ours" not in [one.title for one in known_errors("medqa", own, "medqa").lists]

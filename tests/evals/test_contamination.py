"""Items planted in a model's training text are found, exactly these; and where nobody could look, this is said."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from evals.asking.finished import Finished
from evals.exam.source import Source
from evals.exam.task_files import load_task
from evals.figures.contamination import TrainingText, in_words, write_contamination
from evals.figures.summary import summarise
from evals.reports.report import write_report
from evals.run import Options, run_task
from pipelines.artifact import drafting
from pipelines.cli import app
from pipelines.config import Corpus, CptStage, InitStage, Recipe
from pipelines.data import Sources
from pipelines.inputs import Inputs
from pipelines.reproduce import given
from pipelines.trained_on import training_text
from tests.evals.stub_engine import Stub

QUESTIONS = [
    "A 54-year-old farmer has had a painless ulcer with a black scab on his forearm since he skinned a sheep; which organism is the cause?",
    "A child of three drinks from an unmarked bottle in the garage and smells of almonds; which antidote is given first?",
    "Which nerve is at risk when a surgeon ligates the superior thyroid artery close to its origin?",
    "A woman in her third trimester has itching palms and raised bile acids; which drug relieves her symptoms?",
    "After a stroke a man cannot recognise faces although his sight is sharp; which artery was most likely blocked?",
    "Which electrolyte disorder is to be feared when a starving prisoner is fed again too fast?",
    "A welder wakes at night with gritty, painful eyes some hours after work without goggles; what is the treatment?",
    "Which vaccine must not be given to a man whose spleen was removed last week after a fall from a horse?",
    "A girl's urine turns black when it stands in the light; which enzyme does she lack?",
    "A diver has joint pain and mottled skin an hour after a fast ascent; what is done at once?",
]
OPTIONS = {"A": "the first answer", "B": "the second answer", "C": "the third answer", "D": "the fourth answer"}
PLANTED = [1, 4, 8]
RIGHT = [1, 4, 8, 0, 6]  # the model has the planted ones right, and two of the other seven


def corpus(path: Path) -> Path:
    """Three of the questions in other layouts among text on the same matters."""
    rows = [
        f"Anatomy, page {number}. The artery, the nerve and the drug are named in every chapter."
        for number in range(60)
    ]
    listed = "\n".join(f"{letter}) {text}" for letter, text in OPTIONS.items())
    rows[7] = f"Exam paper. {QUESTIONS[1].upper()}\n{listed}\nAnswer: A"
    rows[20] = f"From a forum: {QUESTIONS[4].replace(',', ' ')} I chose the second."
    rows[41] = f"Case 12. {QUESTIONS[8].replace('stands', 'is left standing')} Discuss."
    lines = [json.dumps({"id": str(number), "text": text}) for number, text in enumerate(rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def exam(path: Path) -> Path:
    rows = [
        {"id": str(number), "question": question, "options": OPTIONS, "answer_idx": "A" if number in RIGHT else "B"}
        for number, question in enumerate(QUESTIONS)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def finished_run(run: Path, recipe: Recipe, model: Path) -> Path:
    """The folder of a recipe's finished stages, whose models are copies of ``model``; returns the last one."""
    artifacts: dict = {}
    from pipelines.artifact import load_artifact

    for name, stage in recipe.stages.items():
        what = given(name, stage, Inputs(recipe, Sources(None, recipe.seed, artifacts)))
        with drafting(run / name, name, what) as draft:
            shutil.copytree(model, draft.folder / "model")
        artifacts[name] = load_artifact(run / name)
    return run / name / "model"


def from_nothing(file: Path) -> Recipe:
    shape = {"hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    text = [Corpus(name=str(file))]
    return Recipe(
        name="own",
        stages={
            "init": InitStage(kind="init", corpora=text, vocab_size=300, architecture=shape),  # type: ignore[arg-type]
            "cpt": CptStage(kind="cpt", model="init", corpora=text, training={"max_steps": 1}),
        },
    )


def sat(folder: Path) -> tuple[Path, Source]:
    """The results of a model that always says A."""
    source = Source(file=exam(folder / "test.jsonl"))
    with Finished(folder / "finished.sqlite") as finished:
        run_task(load_task("medqa"), Stub(lambda prompt: "A"), source, folder / "out" / "medqa", Options(), finished)
    return folder / "out" / "medqa", source


def test_the_planted_items_are_found_and_no_others(tmp_path: Path, tiny_model: Path):
    file = corpus(tmp_path / "corpus.jsonl")
    training = training_text(str(finished_run(tmp_path / "run", from_nothing(file), tiny_model)), None)
    assert list(training.corpora) == [f"run/cpt: {file}"]  # which `init` has read too
    assert not training.unknown
    folder, source = sat(tmp_path)
    write_contamination({folder: load_task("medqa")}, source, training)
    found = json.loads((folder / "contamination.json").read_text())
    assert [one["item"] for one in found["touched"]] == [f"test/{number}" for number in PLANTED]
    assert [one["record"].rpartition("/")[2] for one in found["touched"]] == ["7", "20", "41"]
    summary = summarise(folder)
    assert summary["accuracy"] == 0.5
    seen = summary["contamination"]
    assert (seen["status"], seen["touched"], seen["share"], seen["records"]) == ("checked", 3, 0.3, 60)
    # By hand: 2 of 7, and Wilson's interval at 1.96: (0.3616 - 0.2794, 0.3616 + 0.2794).
    assert (seen["clean"]["n"], seen["clean"]["accuracy"]) == (7, 2 / 7)
    assert (seen["clean"]["low"], seen["clean"]["high"]) == pytest.approx((0.0822, 0.6411), abs=1e-4)
    text = write_report(tmp_path / "out").read_text(encoding="utf-8")
    assert "| 3 (30.0%) | 28.6 (8.2 to 64.1), n 7 |" in text
    assert "unknown" not in text


def test_a_base_of_others_leaves_the_rest_unknown(tmp_path: Path, tiny_model: Path):
    file = corpus(tmp_path / "corpus.jsonl")
    recipe = Recipe(
        name="own", base_model=str(tiny_model), stages={"cpt": CptStage(kind="cpt", model="base", corpora=[Corpus(name=str(file))], training={"max_steps": 1})}
    )  # fmt: skip
    model = finished_run(tmp_path / "run", recipe, tiny_model)
    training = training_text(str(model), None)
    assert training.unknown == ["the training data of the base model of run"]
    folder, source = sat(tmp_path)
    write_contamination({folder: load_task("medqa")}, source, training)
    seen = summarise(folder)["contamination"]
    assert (seen["status"], seen["touched"]) == ("partly", 3)
    assert "not known or not at hand: the training data of the base model" in in_words(seen)
    assert "rest of the training data unknown" in write_report(tmp_path / "out").read_text(encoding="utf-8")
    # A corpus that is not what it was says nothing of what was read.
    file.write_text('{"id": "1", "text": "Something else."}\n', encoding="utf-8")
    changed = training_text(str(model), None)
    assert not changed.corpora
    assert any("is not what it was" in one for one in changed.unknown)
    file.unlink()
    assert any("is not what it was" in one for one in training_text(str(model), None).unknown)


def test_a_model_without_a_manifest_is_unknown_and_never_clean(tmp_path: Path, tiny_model: Path):
    training = training_text(str(tiny_model), None)
    assert not training.corpora
    assert "no manifest" in training.unknown[0]
    folder, source = sat(tmp_path)
    write_contamination({folder: load_task("medqa")}, source, training)
    seen = summarise(folder)["contamination"]
    assert (seen["status"], seen["touched"], seen["clean"]) == ("unknown", None, None)
    text = write_report(tmp_path / "out").read_text(encoding="utf-8")
    assert "| training data unknown | – |" in text
    assert "clean" not in text.lower()
    write_contamination({folder: load_task("medqa")}, source, TrainingText())
    assert summarise(folder)["contamination"]["status"] == "unknown"


def test_a_published_model_names_what_is_not_at_hand(tmp_path: Path, base_model: Path):
    folder, source = sat(tmp_path)
    write_contamination({folder: load_task("medqa")}, source, training_text(str(base_model), None))
    seen = summarise(folder)["contamination"]
    assert seen["status"] == "unknown"
    assert len(seen["unknown"]) == 6
    assert any("gutenberg-prose" in one and "--data" in one for one in seen["unknown"])


def test_the_command_says_it_beside_the_score(tmp_path: Path, tiny_model: Path):
    file = corpus(tmp_path / "corpus.jsonl")
    model = finished_run(tmp_path / "run", from_nothing(file), tiny_model)
    asked = ["eval", str(model), "--task", "medqa", "--file", str(exam(tmp_path / "test.jsonl")), "--no-chat"]
    done = CliRunner().invoke(app, [*asked, "--contamination", "-o", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert "3 of 10 items (30.0%) stand in the 60 records of training text that were read" in done.output
    again = CliRunner().invoke(app, [*asked, "-o", str(tmp_path / "out"), "--json"])
    assert "contamination" not in json.loads(again.stdout)["tasks"]["medqa"]

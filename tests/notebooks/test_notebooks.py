"""Every notebook runs from its first cell to its last on a real run, and what is committed is what such a run said."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import nbformat
import pytest

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
BUILD: dict[str, Any] = runpy.run_path(str(NOTEBOOKS / "build.py"))
TEXTS = sorted((NOTEBOOKS / "text").glob("*.md"))
WITHOUT_A_MODEL = ["05-from-nano-to-8b"]
ADDRESS = re.compile(r" at 0x[0-9a-f]+")  # of an object in memory
# Folders of a machine, as they begin on Linux, macOS and Windows.
MACHINE = re.compile(r"(?<![\w.:/])/(?:home|root|tmp|work|Users|var|usr|opt|mnt|private|workspace)/|[A-Z]:\\\\")


def outputs_of(path: Path) -> list[tuple[str, Any]]:
    """The source of each cell of code, with what it put out."""
    return [(cell.source, cell.outputs) for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def test_there_are_five_tours():
    assert [path.name[:2] for path in TEXTS] == ["01", "02", "03", "04", "05"]
    assert [path.stem for path in TEXTS] == [path.stem for path in sorted(NOTEBOOKS.glob("*.ipynb"))]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_the_notebook_is_made_from_its_text(path: Path):
    made = BUILD["notebook_of"](path.read_text(encoding="utf-8"))
    kept = nbformat.read(NOTEBOOKS / f"{path.stem}.ipynb", as_version=4)
    assert [(cell.cell_type, cell.source) for cell in kept.cells] == [
        (cell.cell_type, cell.source) for cell in made.cells
    ], "run `python notebooks/build.py`"


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_its_outputs_are_saved_and_name_no_machine(path: Path):
    kept = NOTEBOOKS / f"{path.stem}.ipynb"
    outputs = [output for _, its in outputs_of(kept) for output in its]
    assert len(outputs) >= 5
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert pictures or path.stem.startswith("03")
    texts = [
        str(output.get("text") or "".join(str(output["data"].get(kind, "")) for kind in ("text/plain", "text/html")))
        for output in outputs
    ]
    assert not [text for text in texts if "\x1b[" in text]  # colours of a terminal
    assert not [
        text[max(0, found.start() - 60) : found.end() + 60] for text in texts for found in MACHINE.finditer(text)
    ]


@pytest.mark.parametrize("text", ["log is /tmp/x/vllm.log", "'/home/ann/runs'", r"C:\\Users\\ann"])
def test_a_machines_folder_is_seen(text: str):
    assert MACHINE.search(text)


@pytest.mark.parametrize("text", ["runs/tmp/x", "https://www.nice.org.uk/home/x", "DATA/fineweb-edu", "osler/usr/x"])
def test_what_is_no_machines_folder_is_not(text: str):
    assert not MACHINE.search(text)


def written(notebook: nbformat.NotebookNode) -> str:
    """What the cells of a notebook wrote."""
    return "".join(
        str(output.get("text") or output.get("data", {}).get("text/plain", ""))
        for cell in notebook.cells
        for output in cell.get("outputs", [])
    )


def run(name: str) -> str:
    """Runs a notebook as it is committed and returns what its cells wrote."""
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    return written(BUILD["saved"](BUILD["run"](notebook)))


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSLER_TOURS", str(tmp_path / "tours"))


@pytest.mark.long
@pytest.mark.parametrize("name", WITHOUT_A_MODEL)
def test_it_runs_without_a_model_and_says_what_was_saved(name: str, tmp_path: Path):
    said = run(name)
    assert "does not fit" in said
    assert "#SBATCH --gpus-per-node=h100:8" in said
    kept = written(nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4))
    said = ADDRESS.sub("", said.replace(str(tmp_path / "tours"), "runs/tours"))
    assert said == ADDRESS.sub("", kept), f"run `python notebooks/build.py {name[:2]}`"


@pytest.fixture
def toured(run: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OSLER_RUN", str(run))
    monkeypatch.setenv("OSLER_RECIPE", str(run / "small.yaml"))
    return run


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "01-inside-each-stage",
            [
                "exam: done before, skipped",
                "10. How much warfarin should I take?",
                "pairs moved towards the chosen answer",
            ],
        ),
        ("02-read-an-exam", ["won / lost", "over all 4 rotations", "accuracy, % (95% interval)"]),
        ("03-talk-to-the-assistant", ["may be a stroke", "mL/min", "guide.md", "bleeding", "how_soon="]),
        ("04-your-own-data", ["[NAME]", "by-heart.csv: ", "exam.csv: ", "emergencies referred first"]),
    ],
)
def test_it_runs_whole(name: str, words: list[str], toured: Path):
    said = run(name)
    assert not [word for word in words if word not in said]


def test_an_error_in_a_command_ends_the_tour(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(NOTEBOOKS)  # tour.py goes to the repository; pytest comes back afterwards
    tour = runpy.run_path(str(NOTEBOOKS / "tour.py"))
    with pytest.raises(tour["CommandError"], match="exit code 1"):
        tour["osler"]("recipe show no-such-recipe", last=2)
    assert "no-such-recipe" in capsys.readouterr().out


def test_a_missing_run_is_made_and_a_finished_one_is_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(NOTEBOOKS)
    monkeypatch.setenv("OSLER_RUN", str(tmp_path / "run"))
    need_run = runpy.run_path(str(NOTEBOOKS / "tour.py"))["need_run"]
    typed: list[str] = []
    monkeypatch.setitem(need_run.__globals__, "osler", typed.append)
    need_run()
    assert typed == [f"reproduce nano --run {tmp_path / 'run'}"]
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "report.json").write_text("{}", encoding="utf-8")
    need_run()
    assert len(typed) == 1


@pytest.mark.slow
def test_a_server_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(NOTEBOOKS)
    tour = runpy.run_path(str(NOTEBOOKS / "tour.py"))
    with pytest.raises(tour["CommandError"], match=r"the last that it wrote:\n.*no-such-model"):
        tour["Running"](f"serve {tmp_path}/no-such-model --port 9", "http://127.0.0.1:9/health", seconds=60)

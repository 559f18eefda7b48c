"""The board in a real browser: a file is brought, a recipe opened, planned, started, stopped, gone on with, examined and downloaded."""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pipelines.board.places import Places
from pipelines.config import load_recipe
from serving.addresses import free_port

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (the extra `dev`)")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: the board's page is not tested")

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
RECIPE = """# Small enough for a test; everything is real.
name: faq
description: 发热与咳嗽 FAQ
base_model: {base}
stages:
  sft:
    kind: sft
    model: base
    corpora: [{{name: {corpus}}}]
    training:
      max_steps: 60
      per_device_train_batch_size: 2      # few rows in a step
      learning_rate: 0.001
      logging_steps: 1
      report_to: [tensorboard]
      save_steps: 1
      gradient_accumulation_steps: 8      # a step takes a tenth of a second, and the page shows the curve move
  exam:
    kind: exam
    models: [base, sft]
    items: [{{name: bundled-exam, limit: 6, normalise: unconditional}}]
    questions: ["What is asthma?"]
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("board") / "runs"


def start_board(runs: Path, port: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "pipelines.cli", "board", "--runs", str(runs), "--port", str(port)]
    # Threads that spin while they wait for one another would take the processor from the browser.
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_WAIT_POLICY": "passive"})
    deadline = time.monotonic() + 120
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2).close()
            return process
        except OSError:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.2)


@pytest.fixture(scope="module")
def board(runs: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    port = free_port()
    process = start_board(runs, port)
    yield f"http://127.0.0.1:{port}", process
    process.terminate()
    process.wait(20)


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def opened(browser, url: str, tab: str = "1"):
    """A page with its tab open, and every address that it asks for in ``page.asked``."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(180_000)  # of a machine with other work; nothing here waits longer than it must
    page.asked, page.faults = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.goto(url)
    go_to(page, tab)
    return page


def go_to(page, tab: str) -> None:
    page.get_by_role("tab", name=f"{tab} ·").click()


def wait_for(page, selector: str, seconds: float = 180):
    return page.wait_for_selector(selector, timeout=1000 * seconds)


def picture(page, name: str) -> None:
    """Keeps what the page shows, for a person to look at, where ``OSLER_SHOTS`` names a folder."""
    if folder := os.environ.get("OSLER_SHOTS"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def points(page) -> int:
    found = page.query_selector('#curves [data-chart="loss"] polyline')
    return int(found.get_attribute("data-points")) if found else 0


def wait_for_points(page, least: int, seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while points(page) < least:
        assert page.query_selector('[data-state="failed"]') is None, page.inner_text("#state")
        assert time.monotonic() < deadline
        page.wait_for_timeout(200)


def process_of(run: str, runs: Path) -> psutil.Process:
    """The process that trains: it is held still while the page is looked at, so that a fast machine is not done before it is stopped."""
    deadline = time.monotonic() + 180
    while not list((runs / run).glob("*.partial.checkpoints/checkpoint-*")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return psutil.Process(int(Places(runs).training(run).stopping.split()[-1]))


def write_faq(path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        lines = csv.writer(stream)
        lines.writerow(["question", "answer"])
        for number in range(60):
            lines.writerow([f"What is fact {number}?", f"It is number {number}, 第 {number} 号."])
        lines.writerow(["<script>alert(1)</script> ${7*7}", ""])


@pytest.mark.long
def test_from_a_file_to_an_examined_model(board, browser, runs: Path, tiny_model: Path, tmp_path: Path):
    url, _ = board
    page = opened(browser, url)

    # A file is brought: its shape, samples, and the row that cannot be used, by its number.
    write_faq(tmp_path / "../faq.csv")
    wait_for(page, "#look .record")  # what the page opens with
    page.set_input_files("#bring input[type=file]", str(tmp_path / "../faq.csv"))
    page.wait_for_function("document.querySelector('#look').innerText.includes('60 rows can be used, 1 cannot')")
    said = page.inner_text("#look")
    assert "dialogue records" in said
    assert re.search(r"row 62\b", said)  # as a spreadsheet counts, the heads first
    assert "<script>alert(1)</script> ${7*7}" in said
    corpus = runs / ".files" / "faq.jsonl"
    assert f"osler corpora import faq.csv -o {corpus}" in said
    picture(page, "test-data")

    # A recipe is written for it from choices.
    page.click("#use-corpus")
    wait_for(page, "#write:visible")
    page.fill("#new-name textarea, #new-name input", "from-choices")
    page.click("#write")
    wait_for(page, "#verdict .good")
    page.wait_for_function("document.querySelector('#text').innerText.includes('name: from-choices')")
    assert str(corpus) in page.inner_text("#text")

    # A recipe of the user's own is opened. One value is changed in the form, and no other byte.
    text = RECIPE.format(base=tiny_model, corpus=corpus)
    own = tmp_path / "own.yaml"
    own.write_text(text, encoding="utf-8")
    page.set_input_files("#open-file input[type=file], input[accept*=yaml]", str(own))
    page.wait_for_function("document.querySelector('#field-name textarea, #field-name input').value === 'faq'")
    page.fill("#field-learning_rate textarea, #field-learning_rate input", "0.002")
    page.press("#field-learning_rate textarea, #field-learning_rate input", "Enter")
    page.wait_for_function("document.querySelector('#text').innerText.includes('0.002')")
    for _ in range(10):  # the file behind the button follows the text on the page, later on a busy machine
        page.wait_for_timeout(500)
        with page.expect_download() as waited:
            page.click("#download")
        waited.value.save_as(tmp_path / "faq.yaml")
        if "0.002" in (tmp_path / "faq.yaml").read_text(encoding="utf-8"):
            break
    assert (tmp_path / "faq.yaml").read_text(encoding="utf-8") == text.replace("0.001", "0.002")
    assert load_recipe(str(tmp_path / "faq.yaml")).stages["sft"].training["learning_rate"] == 0.002

    # The plan is made while the run begins; a reload finds the run again, and it cannot be started twice.
    page.click("#plan-button")
    plan = opened(browser, url, "3")
    page.click("#start")
    wait_for(page, '#state [data-state="running"]')
    training = process_of("faq", runs)
    training.suspend()
    assert f"osler reproduce {runs}/faq/recipe.yaml --run {runs}/faq" in page.inner_text("#run-command")
    plan.reload()
    go_to(plan, "3")
    wait_for(plan, '#state [data-state="running"]')
    plan.close()
    go_to(page, "2")
    page.click("#start")
    wait_for(page, "text=is running already")
    wait_for(page, "#plan .figures")
    assert "osler plan" in page.inner_text("#plan")
    picture(page, "test-plan")
    go_to(page, "3")

    # The curve moves; a stop saves, and the run goes on from there.
    wait_for_points(page, 1)
    before = points(page)
    training.resume()
    wait_for_points(page, before + 1)
    training.suspend()
    picture(page, "test-running")
    page.click("#stop")
    training.resume()
    wait_for(page, '#state [data-state="stopped"]')
    assert "exit code 75" in page.inner_text("#state")
    assert list((runs / "faq" / "sft.partial.checkpoints").glob("checkpoint-*"))
    assert points(page) < 60
    picture(page, "test-stopped")
    page.click("#resume")
    wait_for(page, '#state [data-state="finished"]')
    wait_for_points(page, 60)
    assert load_recipe(str(runs / "faq" / "recipe.yaml")) == load_recipe(str(tmp_path / "faq.yaml"))
    picture(page, "test-finished")

    # The exam of both models is there.
    go_to(page, "4")
    page.wait_for_function("document.querySelector('#side-by-side').innerText.includes('bundled-exam (n 6)')")
    assert page.locator("#side-by-side tbody tr").count() == 2
    picture(page, "test-examine")

    assert page.faults == []
    assert [address for address in page.asked if not address.startswith((url, "data:", "blob:"))] == []


def test_a_wrong_key_is_named_and_nothing_starts(board, browser, runs: Path, tmp_path: Path):
    url, _ = board
    page = opened(browser, url, "2")
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(RECIPE.format(base="x", corpus="y").replace("learning_rate", "learningrate"), encoding="utf-8")
    page.set_input_files("#open-file input[type=file], input[accept*=yaml]", str(wrong))
    wait_for(page, "#verdict .bad")
    assert "stages.sft.training: unknown key 'learningrate'; did you mean 'learning_rate'?" in page.inner_text(
        "#verdict"
    )
    page.click("#start")
    wait_for(page, ".toast-body")
    assert set(Places(runs).names()) <= {"faq"}


def test_a_field_that_is_filled_wrong_can_be_filled_right(board, browser):
    url, _ = board
    page = opened(browser, url, "2")
    page.click("#open")
    wait_for(page, "#verdict .good")
    field = "#field-learning_rate textarea, #field-learning_rate input"
    before = page.input_value(field)
    page.fill(field, "fast")
    page.press(field, "Enter")
    wait_for(page, ".toast-body:has-text(\"a number, not 'fast'\")")
    page.wait_for_function(
        f"document.querySelector('{field.split(',')[0]}, {field.split(', ')[1]}').value === '{before}'"
    )
    assert page.query_selector("#verdict .bad") is None
    page.fill(field, "0.0123")
    page.press(field, "Enter")
    page.wait_for_function("document.querySelector('#text').innerText.includes('0.0123')")
    page.close()


def test_what_to_do_in_an_emergency_is_read_also_while_no_model_is_served(board, browser):
    url, _ = board
    page = opened(browser, url, "5")
    page.fill("#question textarea, #question input", "There is crushing chest pain and a cold sweat.")
    page.click("#ask")
    wait_for(page, ".toast-body:has-text('serve it first')")
    assert "emergency number" in page.inner_text("#chat")
    assert page.locator("#chat .error:visible").count() == 0  # which would cover the advice
    page.close()


def test_the_page_holds_on_a_telephone_and_in_chinese(board, browser):
    url, _ = board
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(f"{url}/zh/")
    wait_for(page, "#look .record")
    for tab in ("1", "2", "3"):
        if page.get_by_role("tab", name=f"{tab} ·").is_visible():
            go_to(page, tab)
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, tab
        picture(page, f"test-phone-{tab}")
    assert "工作台" in page.inner_text("#head")


def ask_and_export(page, runs: Path, run: str, stage: str) -> None:
    """Serves a run's model, asks it, and writes it in another form."""
    go_to(page, "5")
    page.wait_for_selector("#serve:not([disabled])")
    page.click("#serve")
    wait_for(page, "#served .good", 300)
    page.fill("#question textarea, #question input", "There is crushing chest pain and a cold sweat.")
    page.click("#ask")
    page.wait_for_function("document.querySelector('#chat').innerText.includes('not a doctor')", timeout=120_000)
    assert "emergency" in page.inner_text("#chat").lower()
    picture(page, f"{run}-talk")
    page.click("#stop-serving")
    page.wait_for_selector("#serve:not([disabled])", timeout=60_000)
    assert not Places(runs).job(run, f"serve-{stage}").runs
    go_to(page, "6")
    page.wait_for_function("document.querySelector('#export-model input').value !== ''")
    page.click("#export")
    wait_for(page, '#exported [data-state="finished"]', 120)
    wait_for(page, "#exported tbody tr")
    picture(page, f"{run}-export")
    assert (runs / run / "export" / f"{stage}-safetensors" / "config.json").is_file()


@pytest.mark.slow
def test_a_model_is_examined_further_asked_and_exported(board, browser, runs: Path):
    if Places(runs).training("faq").state != "finished":
        pytest.skip("the first test of this file has left no model")
    url, _ = board
    page = opened(browser, url, "4")
    page.wait_for_function("document.querySelector('#exam-model input').value !== ''")
    page.click("#examine")
    wait_for(page, '#exam-state [data-state="finished"]', 200)
    wait_for(page, "#leaderboard tbody tr")
    page.click("#compare")
    wait_for(page, "#difference tbody tr")
    assert f"osler compare {runs}/faq/exam/base.json {runs}/faq/exam/sft.json" in page.inner_text("#difference")
    picture(page, "faq-examined")
    ask_and_export(page, runs, "faq", "sft")
    assert page.faults == []


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_nano_from_the_page_to_a_model_that_answers(board, browser, runs: Path):
    url, _ = board
    page = opened(browser, url, "2")
    page.click("#open")
    wait_for(page, "#verdict .good")
    page.click("#start")
    wait_for(page, '#curves section[data-stage="cpt"]', 600)
    picture(page, "nano-cpt")
    wait_for(page, '#state [data-state="finished"]', 1500)
    picture(page, "nano-finished")
    go_to(page, "4")
    page.wait_for_function("document.querySelectorAll('#side-by-side tbody tr').length >= 5")
    page.click("#compare")
    wait_for(page, "#difference tbody tr")
    assert f"osler compare {runs}/nano/exam/base.json {runs}/nano/exam/final.json" in page.inner_text("#difference")
    picture(page, "nano-examine")
    ask_and_export(page, runs, "nano", "final")
    assert page.faults == []
    assert [address for address in page.asked if not address.startswith((url, "data:", "blob:"))] == []

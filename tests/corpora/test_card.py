"""A data card holds every count, its pictures inside the page, and says so when counts do not add up."""

import json
import re
from pathlib import Path

from typer.testing import CliRunner

from corpora.bundled.render import render
from corpora.card import Census, write_card
from corpora.cli import app
from corpora.records import Document


def made(folder: Path) -> dict:
    documents = [record for record in render("bundled-documents", seed=3) if isinstance(record, Document)][:40]
    rows = [one.model_dump() for one in documents] + [documents[0].model_dump()]
    (folder / "mine.jsonl").write_text("\n".join(map(json.dumps, rows)))
    result = CliRunner().invoke(app, ["dedup", str(folder / "mine.jsonl"), "-o", str(folder / "out"), "--json"])
    assert result.exit_code == 0, result.output
    found: dict = json.loads(result.stdout)
    return found


def test_a_card_holds_the_counts_of_every_step(tmp_path: Path):
    figures = made(tmp_path)
    card = (tmp_path / "out" / "card.md").read_text()
    for step in figures["waterfall"]:
        assert re.search(rf"\| {step['step']} +\| {step['in']} +\| {step['kept']} ", card), step
    assert "1 the same as another" in card
    assert "In = kept + dropped, at every step." in card
    kept = [json.loads(line) for line in (tmp_path / "out" / "clean.jsonl").read_text().splitlines()]
    assert (
        f"{len(kept)} records ({len(kept)} Document), {sum(len(one['title']) + 1 + len(one['text']) for one in kept):,} characters"
        in card
    )
    source = kept[0]["id"].split("/")[0]
    assert f"| (ids `{source}/…`) | {len(kept)} |" in card
    assert kept[0]["id"] in card


def test_the_page_needs_no_other_file_and_is_the_same_again(tmp_path: Path):
    made(tmp_path)
    page = (tmp_path / "out" / "card.html").read_text()
    assert page.count('src="data:image/png;base64,') == 2
    assert ".png" not in page
    again = tmp_path / "again"
    again.mkdir()
    made(again)
    assert (again / "out" / "card.html").read_text() == page


def test_names_and_licences_of_the_data_are_no_markup_of_the_page(tmp_path: Path):
    census = Census()
    census.add(Document(id="<b>`<i>/1", text="Gout.", licence="<img src=x onerror=alert(1)>", language="<script>"))
    census.add(Document(id="a/2", text="Gout.", licence="![x](none.png)"))
    write_card(tmp_path, "x", ["a.jsonl"], census.as_dict())
    page = (tmp_path / "card.html").read_text()
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert not any(tag in page for tag in ("<img src=x", "<script", "<b>", "<i>"))
    assert page.count('src="data:image/png;base64,') == 1  # the one picture of the card's own


def test_identifiers_of_several_steps_are_added_up(tmp_path: Path):
    census = Census()
    census.add(Document(id="a/1", text="Gout."))
    step = {"step": "deidentify", "in": 1, "kept": 1, "changed": 1, "dropped": {}, "found": {"name": 7}}
    again = {**step, "found": {"name": 2, "date": 1}}
    write_card(tmp_path, "x", ["a.jsonl"], {**census.as_dict(), "waterfall": [step, again]})
    card = (tmp_path / "card.md").read_text()
    assert "| name | 9 |" in card
    assert "| date | 1 |" in card


def test_counts_that_do_not_add_up_are_said(tmp_path: Path):
    census = Census()
    census.add(Document(id="a/1", text="Gout.", licence="CC0"))
    step = {"step": "clean", "in": 3, "kept": 1, "changed": 0, "dropped": {"lost": 1}, "found": {"NAME": 7}}
    contamination = {"benchmarks": {"exam": {"items": 50, "touched": 5, "by_source": {"a": 6}}}}
    write_card(tmp_path, "x", ["a.jsonl"], {**census.as_dict(), "waterfall": [step], "contamination": contamination})
    card = (tmp_path / "card.md").read_text()
    assert "do not add up: do not use this corpus" in card
    assert "| exam | 50 | 5 | 10.0 | a: 6 |" in card
    assert "| NAME | 7 |" in card
    assert "this is no legal de-identification" in card
    assert "Licences that the documents name: CC0 (1)." in card

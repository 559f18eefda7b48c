"""Pages lead where they say, and the Chinese page tells the figures of the English one."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.docs.commands import FENCE, PAGES, ROOT

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """Names of a page's headings as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_within_the_project_leads_somewhere(page: Path):
    for link in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        place, _, anchor = link.partition("#")
        if "://" in place:
            continue
        target = page.parent / place if place else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_map_names_every_page():
    text = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = [page.name for page in (ROOT / "docs").glob("*.md") if page.name != "README.md"]
    assert not [name for name in pages if f"({name})" not in text]


def test_the_chinese_page_has_the_figures_of_the_english_one():
    english = (ROOT / "README.md").read_text(encoding="utf-8")
    chinese = (ROOT / "README.zh-CN.md").read_text(encoding="utf-8")
    for model in ("base", "cpt", "sft", "dpo", "final"):
        rows = [re.search(rf"^\| {model} \|.*$", page, re.MULTILINE) for page in (english, chinese)]
        assert rows[0] is not None
        assert rows[1] is not None
        # The English table has the change of bits per byte in brackets as well.
        figures = [re.findall(r"(?<![+\d.])\d+\.\d+(?!%)", row[0]) for row in rows if row is not None]
        assert figures[0] == figures[1]


def test_the_picture_is_drawn_and_follows_the_readers_theme():
    path = ROOT / "docs" / "pipeline.svg"
    words = " ".join(ElementTree.parse(path).getroot().itertext())
    for stage in ("base", "extended", "replay", "cpt", "sft", "preferences", "dpo", "final", "exam", "serve"):
        assert stage in words
    assert "prefers-color-scheme:dark" in words

"""Pages of results: Markdown, and the same as one HTML file that holds its pictures."""

from __future__ import annotations

import base64
import html
import re
from pathlib import Path

from markdown_it import MarkdownIt

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.55 system-ui, sans-serif; color: #1c2733; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2.2rem; border-bottom: 1px solid #dbe2ea; padding-bottom: .3rem; }
table { border-collapse: collapse; font-size: .92rem; display: block; overflow-x: auto; }
th, td { border-bottom: 1px solid #dbe2ea; padding: .35rem .7rem; text-align: left; vertical-align: top; }
th { background: #f2f5f8; } img { max-width: 100%; } code { background: #f2f5f8; padding: 0 .2rem; }
pre { background: #f2f5f8; padding: .7rem; overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; }
blockquote { border-left: 4px solid #c0504d; margin-left: 0; padding-left: 1rem; color: #444; }
"""


def percent(value: float) -> str:
    """A share as a percentage with one decimal."""
    return f"{100 * value:.1f}"


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""

    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    return "\n".join([line(head), line(["---"] * len(head)), *(line(row) for row in rows)])


def write_page(folder: Path, name: str, title: str, lines: list[str]) -> Path:
    """Writes ``name.md`` and ``name.html`` to ``folder``, where the PNG pictures are that the lines show; returns the first."""
    text = "\n".join(lines) + "\n"
    page = folder / f"{name}.md"
    page.write_text(text, encoding="utf-8")
    body = MarkdownIt("commonmark").enable("table").render(text)
    body = re.sub(r'src="([^":/]+\.png)"', lambda found: f'src="{_data(folder / found[1])}"', body)
    whole = (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head><body>{body}</body></html>"
    )
    (folder / f"{name}.html").write_text(whole, encoding="utf-8")
    return page


def _data(picture: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(picture.read_bytes()).decode()

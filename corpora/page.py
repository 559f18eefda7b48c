"""Pages of results: Markdown, and the same as one HTML file that holds its pictures."""

from __future__ import annotations

import base64
import html
import re
from pathlib import Path

from markdown_it import MarkdownIt

STYLE = """
:root { color-scheme: light dark; --text: #1c2733; --page: #fff; --line: #dbe2ea; --soft: #f2f5f8; --quiet: #444; --link: #1f5f8b; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e4eaf0; --page: #14191f; --line: #33404d; --soft: #1f2730; --quiet: #b6c2ce; --link: #7cc0ea; }
  img { background: #fff; border-radius: .3rem; }
}
body { font: 16px/1.55 system-ui, sans-serif; color: var(--text); background: var(--page); max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  overflow-wrap: break-word; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2.2rem; border-bottom: 1px solid var(--line); padding-bottom: .3rem; } a { color: var(--link); }
table { border-collapse: collapse; font-size: .92rem; display: block; overflow-x: auto; }
th, td { border-bottom: 1px solid var(--line); padding: .35rem .7rem; text-align: left; vertical-align: top; overflow-wrap: normal; }
th { background: var(--soft); } img { max-width: 100%; } svg { width: 100%; max-width: 34rem; display: block; } code { background: var(--soft); padding: 0 .2rem; }
pre code { padding: 0; }
pre { background: var(--soft); padding: .7rem; overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; }
@media (max-width: 34rem) { th, td { padding: .3rem .4rem; font-size: .85rem; } td:first-child { max-width: 8rem; overflow-wrap: anywhere; } }
blockquote { border-left: 4px solid #c0504d; margin-left: 0; padding-left: 1rem; color: var(--quiet); }
"""


def percent(value: float) -> str:
    """A share as a percentage with one decimal."""
    return f"{100 * value:.1f}"


def p_value(value: float) -> str:
    """A p with four decimals."""
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""

    def line(cells: list[str]) -> str:
        return "| " + " | ".join(re.sub(r"(?<!\\)\|", r"\\|", cell).replace("\n", " ") for cell in cells) + " |"

    return "\n".join([line(head), line(["---"] * len(head)), *(line(row) for row in rows)])


def write_page(folder: Path, name: str, title: str, lines: list[str]) -> Path:
    """Writes ``name.md`` and ``name.html`` to ``folder``, where the PNG and SVG pictures are that the lines show; returns the first.

    An SVG stands in the HTML as it is, so that it can follow the reader's light or dark theme. Markup within the lines is shown as text: names,
    licences and ids are those of anyone's data.
    """
    text = "\n".join(lines) + "\n"
    page = folder / f"{name}.md"
    page.write_text(text, encoding="utf-8")
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    body = re.sub(r'<img src="([^":/]+\.(?:png|svg))"[^>]*>', lambda found: _drawn(folder / found[1], found[0]), body)
    whole = (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head><body>{body}</body></html>"
    )
    (folder / f"{name}.html").write_text(whole, encoding="utf-8")
    return page


def _drawn(picture: Path, shown: str) -> str:
    """The picture itself in place of ``shown``, the element that names it."""
    if not picture.is_file():  # a text of the data that looks like a picture
        return shown
    if picture.suffix == ".svg":
        return picture.read_text(encoding="utf-8")
    data = base64.b64encode(picture.read_bytes()).decode()
    return shown.replace(f'src="{picture.name}"', f'src="data:image/png;base64,{data}"')

"""Makes the notebooks from their texts, runs them, and saves them with what they said.

A tour is written as Markdown in ``notebooks/text``: text as it is, code in blocks of ``python``. ``python notebooks/build.py`` makes all
notebooks anew, ``python notebooks/build.py 02`` those whose names begin so. They have to be run on the real thing (``make reproduce``
first), for what they say is committed with them.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parent
TEXTS = HERE / "text"
BLOCK = re.compile(r"^```python\n(.*?)^```\n", re.DOTALL | re.MULTILINE)
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
SECONDS = 1800  # that a cell may take


def notebook_of(text: str) -> nbformat.NotebookNode:
    """The notebook, not yet run, of a text: blocks of Python are cells of code, and what is between them cells of Markdown."""
    cells = []
    for place, part in enumerate(BLOCK.split(text)):
        if part.strip():
            make = nbformat.v4.new_code_cell if place % 2 else nbformat.v4.new_markdown_cell
            cells.append(make(part.strip("\n"), id=f"cell-{len(cells)}"))
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL})


def run(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Runs a notebook in its own folder; an error in a cell ends it."""
    NotebookClient(
        notebook, timeout=SECONDS, kernel_name="python3", resources={"metadata": {"path": str(HERE)}}
    ).execute()
    return notebook


def saved(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook without what differs from run to run and tells a reader nothing: times, and notes on standard error."""
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            kept: list[nbformat.NotebookNode] = []
            for output in cell.outputs:
                if output.get("name") == "stdout" and kept and kept[-1].output_type == "stream":
                    kept[-1].text += output.text
                elif output.get("name") != "stderr":
                    kept.append(output)
            cell.outputs = kept
    notebook.metadata.pop("language_info", None)
    return notebook


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("begins", nargs="*", default=[""], help="the first letters of the notebooks to make")
    begins = tuple(parser.parse_args().begins)
    for path in sorted(TEXTS.glob("*.md")):
        if path.name.startswith(begins):
            print(path.stem)
            made = saved(run(notebook_of(path.read_text(encoding="utf-8"))))
            nbformat.write(made, HERE / f"{path.stem}.ipynb")


if __name__ == "__main__":
    main()

"""Prints how many texts of each set of vignettes the triage finds, or leaves alone: ``python -m tests.serving.triage_figures``."""

import math
import sys
from pathlib import Path

from corpora.bundled.render import render
from serving.triage import triage
from serving.triage.catalogue import advice

VIGNETTES = Path(__file__).parent / "triage_vignettes"


def interval(right: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's 95% interval of a share (J. Am. Stat. Assoc. 1927;22:209-212)."""
    middle = (right + z * z / 2) / (n + z * z)
    half = z * math.sqrt(right * (n - right) / n + z * z / 4) / (n + z * z)
    return middle - half, middle + half


def show(name: str, kind: str, right: int, n: int) -> None:
    low, high = interval(right, n)
    print(f"{name:28} {kind:10} {right:5d} of {n:5d}  {right / n:6.1%}  [{low:.1%}, {high:.1%}]")


def main(wrong: bool) -> None:
    for path in sorted(VIGNETTES.glob("*.tsv")):
        rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
        emergencies = len(rows[0]) == 3
        failed = [row for row in rows if triage(row[-1]).emergency is not emergencies]
        show(path.stem, "found" if emergencies else "silent", len(rows) - len(failed), len(rows))
        if emergencies and {row[0] for row in rows} <= advice().keys():  # some authors used names of their own
            show("", "category", sum(triage(row[-1]).category == row[0] for row in rows), len(rows))
        for row in failed if wrong else ():
            print("   ", *row)
    asked = {
        record.id: message.content
        for record in render("bundled-dialogues", renderings=1, seed=0)
        for message in record.messages
        if message.role == "user" and "emerg" not in record.id
    }
    silent = sum(not triage(text).emergency for text in asked.values())
    show("bundled questions", "silent", silent, len(asked))
    told = [record.messages[-2].content for record in render("bundled-emergencies", seed=0)]
    show("bundled emergencies", "found", sum(triage(text).emergency for text in told), len(told))


if __name__ == "__main__":
    main("--wrong" in sys.argv)

"""The data card of a corpus: what it was made from and under which licences, what became of every record, and what is left.

After Gebru et al. 2021, "Datasheets for Datasets" (https://doi.org/10.1145/3458723): composition, collection and preprocessing. Written as Markdown
and as one HTML file with its pictures.
"""

from __future__ import annotations

import collections
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from corpora.adapters.documents import script
from corpora.catalog import find_dataset, load_catalog
from corpora.licences import consequence
from corpora.page import percent, table, write_page
from corpora.records import Document, Record, text_of

SAMPLES = 3
LONGEST = 1500  # characters of a sample that are shown

KEPT, DROPPED = "#4878a8", "#c0504d"


@dataclass
class Census:
    """Counts over the records of a corpus as they go by."""

    records: collections.Counter[str] = field(default_factory=collections.Counter)  # by source
    characters: collections.Counter[str] = field(default_factory=collections.Counter)  # by source
    languages: collections.Counter[str] = field(default_factory=collections.Counter)  # records
    kinds: collections.Counter[str] = field(default_factory=collections.Counter)  # records by type
    licences: collections.Counter[str] = field(default_factory=collections.Counter)  # documents, as they name them
    lengths: collections.Counter[int] = field(default_factory=collections.Counter)  # records by bits of their length
    samples: list[Record] = field(default_factory=list)

    def add(self, record: Record) -> None:
        """Counts one record."""
        source, text = record.id.split("/")[0], text_of(record)
        self.records[source] += 1
        self.characters[source] += len(text)
        self.languages[record.language if isinstance(record, Document) else script(text)] += 1
        self.kinds[type(record).__name__] += 1
        if isinstance(record, Document):
            self.licences[record.licence] += 1
        self.lengths[len(text).bit_length()] += 1
        if len(self.samples) < SAMPLES:
            self.samples.append(record)

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        return {
            "records": sum(self.records.values()),
            "sources": dict(self.records.most_common()),
            "characters": dict(self.characters.most_common()),
            "languages": dict(self.languages.most_common()),
            "kinds": dict(self.kinds.most_common()),
            "licences": dict(self.licences.most_common()),
            "lengths": octaves(self.lengths),
            "samples": [sample.model_dump(mode="json") for sample in self.samples],
        }


def octaves(bits: collections.Counter[int]) -> dict[str, int]:
    """Counts by the bits of a length as counts by octave: "1-1", "2-3", "4-7" and so on; a length of 0 is left out."""
    return {f"{2 ** (size - 1)}-{2**size - 1}": bits[size] for size in sorted(bits) if size}


def write_card(
    folder: Path, title: str, corpora: Iterable[str], figures: dict[str, Any], more: list[str] | None = None
) -> Path:
    """Writes ``card.md``, ``card.html`` and their pictures to ``folder``.

    Args:
        folder: of the corpus.
        title: of the page.
        corpora: names of what it was made from: catalogued datasets, files, stages.
        figures: of ``Census.as_dict`` and, where steps were taken, ``waterfall`` and ``contamination`` of ``Curated.as_dict``.
        more: sections of the stage's own, before the samples.
    """
    names = list(dict.fromkeys(corpora))
    lines = [f"# Data card: {title}", "", *_sources(names, figures)]
    if "waterfall" in figures:
        lines += _waterfall(figures["waterfall"], folder)
    if "contamination" in figures:
        lines += _contamination(figures["contamination"])
    found: collections.Counter[str] = collections.Counter()
    for step in figures.get("waterfall", []):
        found.update(step.get("found", {}))
    if found:
        lines += _identifiers(found, folder)
    lines += [*_composition(figures, folder), *(more or []), "## Samples", ""]
    for sample in figures["samples"]:
        said = json.dumps(sample, ensure_ascii=False, indent=1)
        lines += ["```json", said if len(said) <= LONGEST else said[:LONGEST] + " …", "```", ""]
    return write_page(folder, "card", title, lines)


def _sources(names: list[str], figures: dict[str, Any]) -> list[str]:
    rows = []
    left = dict(figures["sources"])  # sources that the records' ids name
    for name in names:
        entry = find_dataset(name) if name in load_catalog() else None
        stem = Path(name).name.split(".")[0]
        known = next((one for one in (name, stem, stem.removeprefix("bundled-")) if one in figures["sources"]), name)
        rows.append(
            [
                Path(name).name,
                f"{left.pop(known):,}" if known in left else "—",
                f"{figures['characters'][known]:,}" if known in figures["characters"] else "—",
                entry.licence if entry else "its own; see each record",
                entry.address if entry else "—",
            ]
        )
    # Records that keep an id of their own name another source than the file that they came in.
    rows += [
        [f"(ids `{source}/…`)", f"{count:,}", f"{figures['characters'][source]:,}", "", ""]
        for source, count in left.items()
    ]
    named = ", ".join(f"{licence} ({count:,})" for licence, count in figures["licences"].items())
    return [
        "## Sources",
        "",
        table(["corpus", "records kept", "characters kept", "licence", "address"], rows),
        "",
        *([f"Licences that the documents name: {named}.", ""] if named else []),
        *[f"- The result: {said}." for said in consequence(names)],
        "",
    ]


def _waterfall(steps: list[dict[str, Any]], folder: Path) -> list[str]:
    rows = []
    for step in steps:
        reasons = "; ".join(f"{count:,} {reason}" for reason, count in step["dropped"].items() if count)
        rows.append([step["step"], f"{step['in']:,}", f"{step['kept']:,}", f"{step['changed']:,}", reasons or "—"])
    figure, axes = _figure(0.5 * len(steps) + 1.2)
    places = range(len(steps))
    dropped = [step["in"] - step["kept"] for step in steps]
    axes.barh(places, [step["kept"] for step in steps], color=KEPT, label="kept")
    axes.barh(places, dropped, left=[step["kept"] for step in steps], color=DROPPED, label="dropped")
    axes.set_yticks(places, [step["step"] for step in steps])
    for place, step in zip(places, steps, strict=True):
        axes.annotate(f" {step['kept']:,}", (step["in"], place), va="center", fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("records")
    axes.margins(x=0.12)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, fontsize=8, frameon=False)
    _save(figure, folder / "waterfall.png")
    adds_up = all(step["in"] == step["kept"] + sum(step["dropped"].values()) for step in steps)
    return [
        "## What became of the records",
        "",
        "In = kept + dropped, at every step." if adds_up else "**The counts do not add up: do not use this corpus.**",
        "",
        table(["step", "in", "kept", "changed", "dropped"], rows),
        "",
        "![records kept and dropped at each step](waterfall.png)",
        "",
    ]


def _contamination(found: dict[str, Any]) -> list[str]:
    rows = [
        [
            name,
            f"{one['items']:,}",
            f"{one['touched']:,}",
            percent(one["touched"] / max(1, one["items"])),
            "; ".join(f"{source}: {count:,}" for source, count in one["by_source"].items()) or "—",
        ]
        for name, one in found["benchmarks"].items()
    ]
    return [
        "## Contamination",
        "",
        "Questions of benchmarks that were found in the sources. The records that hold them were left out.",
        "",
        table(["benchmark", "items", "found", "% of items", "records that held them, by source"], rows),
        "",
    ]


def _identifiers(found: dict[str, int], folder: Path) -> list[str]:
    ordered = sorted(found.items(), key=lambda pair: -pair[1])
    figure, axes = _figure(0.3 * len(ordered) + 1.0)
    axes.barh([kind for kind, _ in ordered], [count for _, count in ordered], color=KEPT)
    axes.invert_yaxis()
    axes.set_xlabel("identifiers removed")
    _save(figure, folder / "identifiers.png")
    return [
        "## Identifiers removed",
        "",
        "By rules, and without a promise that none is left: this is no legal de-identification.",
        "",
        table(["kind", "removed"], [[kind, f"{count:,}"] for kind, count in ordered]),
        "",
        "![identifiers removed by kind](identifiers.png)",
        "",
    ]


def _composition(figures: dict[str, Any], folder: Path) -> list[str]:
    figure, axes = _figure(2.6)
    lengths = figures["lengths"]
    axes.bar(range(len(lengths)), list(lengths.values()), color=KEPT, width=0.9)
    axes.set_xticks(range(len(lengths)), [name.split("-")[0] for name in lengths], rotation=45, fontsize=8)
    axes.set(xlabel="characters of a record, from", ylabel="records")
    _save(figure, folder / "lengths.png")
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in figures["kinds"].items())
    languages = ", ".join(f"{language} {count:,}" for language, count in figures["languages"].items())
    return [
        "## What is left",
        "",
        f"{figures['records']:,} records ({kinds}), {sum(figures['characters'].values()):,} characters; by language: {languages}.",
        "",
        "![records by length](lengths.png)",
        "",
    ]


def _figure(height: float) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _save(figure: Any, path: Path) -> None:
    # Without the library's version in the file, so that the same figures give the same bytes.
    figure.savefig(path, dpi=130, metadata={"Software": None})

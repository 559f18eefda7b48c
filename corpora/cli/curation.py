"""Commands that curate files: clean, deidentify, decontaminate, dedup."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from corpora.cli.options import JsonOption, app, err, out

OutOption = Annotated[Path, typer.Option("--out", "-o", help="Folder for the records that are kept and the report.")]
FilesArgument = Annotated[list[Path], typer.Argument(help="Files of any shape that `osler corpora import` reads.")]
ShardsOption = Annotated[int, typer.Option(min=1, help="Parts that are worked on, and resumed, on their own.")]
WorkersOption = Annotated[int, typer.Option(min=1, help="Processes at once on this machine.")]


def _curated(files: list[Path], steps: list[Any], to: Path, shards: int, workers: int, as_json: bool) -> None:
    """Takes the files through the steps, and says what became of the records."""
    from corpora.curate.executor import Scale
    from corpora.curate.flow import curate_files

    made = curate_files(files, steps, to, Scale(shards=shards, options={"workers": workers}))
    if as_json:
        typer.echo(json.dumps(made.as_dict(), ensure_ascii=False))
        return
    for step in made.waterfall[1:]:
        changed = f", {step.changed:,} changed" if step.changed else ""
        out.print(f"{step.name}: {step.received:,} records{changed}, {step.kept:,} kept")
        for reason, count in step.dropped.most_common():
            if count:
                out.print(f"  {count:>9,}  {reason}", markup=False)
        for kind, count in step.found.most_common():
            out.print(f"  {count:>9,}  {kind} removed", markup=False)
    if made.contamination is not None:
        table = Table("benchmark", "items", "touched", "by source", box=None, header_style="bold", pad_edge=False)
        for name, found in made.contamination.as_dict()["benchmarks"].items():
            sources = ", ".join(f"{source}: {count:,}" for source, count in found["by_source"].items())
            table.add_row(name, f"{found['items']:,}", f"{found['touched']:,}", sources or "—")
        out.print(table)
    err.print(f"records: {to / 'clean.jsonl'} · report: {to / 'report.json'}", markup=False)


@app.command()
def clean(
    files: FilesArgument,
    to: OutOption,
    quality: Annotated[
        bool, typer.Option(help="Leave out documents that break Gopher's rules of quality and repetition.")
    ] = True,
    language: Annotated[
        list[str] | None,
        typer.Option(
            help="Keep only texts in this language (ISO 639-1: en, zh, …); repeatable. Default: all are kept."
        ),
    ] = None,
    shards: ShardsOption = 4,
    workers: WorkersOption = 1,
    as_json: JsonOption = False,
) -> None:
    """Clean documents of markup, page furniture, tables and references, and leave out those that are no good to read.

    Writes to OUT `clean.jsonl` and `report.json`, which says what each step changed and dropped and why. Thresholds other than Gopher's, and
    single kinds of cleaning switched off, are set in a recipe (a stage of kind `curate`).

    Example: `osler corpora clean pages.jsonl --language en -o cleaned` · `osler corpora clean chats.jsonl --no-quality -o cleaned`
    """
    from corpora.curate.clean import Cleaning, Quality
    from corpora.curate.language import Languages

    steps = [Cleaning(), *([Languages(keep=language)] if language else []), *([Quality()] if quality else [])]
    _curated(files, steps, to, shards, workers, as_json)


@app.command()
def deidentify(
    files: FilesArgument,
    to: OutOption,
    kinds: Annotated[
        list[str] | None,
        typer.Option("--kind", help="Only identifiers of this kind, as name or phone; repeatable. Default: all."),
    ] = None,
    shards: ShardsOption = 4,
    workers: WorkersOption = 1,
    as_json: JsonOption = False,
) -> None:
    """Take names, places, dates, numbers and other identifiers of people out of records, in English and Chinese.

    Writes to OUT `clean.jsonl`, where a tag as [NAME] stands for each piece, and `report.json`, which counts them by kind. It is no legal
    de-identification: have an expert look before you share data of real patients.

    Example: `osler corpora deidentify notes.jsonl -o without` · `osler corpora deidentify chats.jsonl --kind phone --kind email -o without`
    """
    from pydantic import ValidationError

    from corpora.curate.deidentify import Deidentification
    from corpora.curate.identifiers.found import KINDS
    from corpora.errors import DataError, nearest

    try:
        what = Deidentification.model_validate({"kinds": kinds} if kinds else {})
    except ValidationError as error:
        wrong = next(kind for kind in kinds or [] if kind not in KINDS)
        raise DataError(f"--kind {wrong}: {nearest(wrong, KINDS)}") from error
    _curated(files, [what], to, shards, workers, as_json)
    err.print("This is no legal de-identification: see docs/deidentification.md", style="dim")


@app.command()
def decontaminate(
    files: FilesArgument,
    against: Annotated[
        list[str],
        typer.Option("--against", help="A benchmark's name in the catalogue, or a file of exam items; repeatable."),
    ],
    to: OutOption,
    data: Annotated[
        Path | None,
        typer.Option("--data", exists=True, file_okay=False, help="Folder that holds the catalogued benchmarks."),
    ] = None,
    shards: ShardsOption = 4,
    workers: WorkersOption = 1,
    as_json: JsonOption = False,
) -> None:
    """Leave out the records that hold questions of benchmarks: verbatim, in another case, width, punctuation or script, or lightly edited.

    Writes to OUT `clean.jsonl`, `touched.jsonl` (each question that a record holds) and `report.json`, whose `touched` names the items
    of each benchmark that were found, so that an exam can give its score on the rest.

    Example: `osler corpora decontaminate chats.jsonl --against medmcqa-validation --against pubmedqa-test --data DIR -o clean`
    """
    from corpora.curate.decontaminate import benchmark_items
    from corpora.curate.flow import Decontamination

    benchmarks = {Path(name).stem: list(benchmark_items(name, data)) for name in against}
    _curated(files, [Decontamination(benchmarks=benchmarks)], to, shards, workers, as_json)


@app.command()
def dedup(
    files: FilesArgument,
    to: OutOption,
    by: Annotated[str, typer.Option(help="What is compared: text, or question (the user's turns alone).")] = "text",
    shards: ShardsOption = 4,
    workers: WorkersOption = 1,
    as_json: JsonOption = False,
) -> None:
    """Leave out the records that say what another one says, exactly or nearly (MinHash, on datatrove).

    Writes to OUT `clean.jsonl`, `near.jsonl` (the records that resembled one that is kept) and `report.json`.

    Example: `osler corpora dedup chats.jsonl more.json --by question -o deduped`
    """
    from corpora.curate.dedup import Deduplication
    from corpora.errors import DataError

    if by not in ("text", "question"):
        raise DataError(f"--by is text or question, not '{by}'")
    _curated(files, [Deduplication(by="question" if by == "question" else "text")], to, shards, workers, as_json)

"""The commands ``osler corpora …``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from corpora.records import LETTERS, Dialogue, Document, ExamItem, Preference, Record

app = typer.Typer(help="Find, read, check and count the data that models are made from.", no_args_is_help=True)
# Into a pipe lines are as long as they are; only a screen has a width.
out = Console(highlight=False, width=None if sys.stdout.isatty() else 200)
err = Console(stderr=True, highlight=False)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text.")]


def shown(record: Record, longest: int = 160) -> str:
    """A record in a few lines for people."""

    def cut(text: str | None) -> str:
        text = " ".join((text or "—").split())
        return text if len(text) <= longest else text[: longest - 1] + "…"

    if isinstance(record, Document):
        return f"{cut(record.title)}\n  {cut(record.text)}"
    if isinstance(record, Dialogue):
        return "\n".join(f"  {message.role}: {cut(message.content)}" for message in record.messages[:6])
    if isinstance(record, Preference):
        return f"  {record.prompt[-1].role}: {cut(record.prompt[-1].content)}\n  chosen: {cut(record.chosen)}\n  rejected: {cut(record.rejected)}"
    assert isinstance(record, ExamItem)
    marks = "\n".join(
        f"  {'*' if place in record.answers else ' '} {letter}. {cut(option)}"
        for place, (letter, option) in enumerate(zip(LETTERS, record.options, strict=False))
    )
    return f"  {cut(record.question)}\n{marks}"


@app.command("import")
def import_(
    file: Annotated[
        Path, typer.Argument(help="JSON Lines, JSON, CSV, TSV, Parquet, XML, .txt, .md, or gzip or zip of them.")
    ],
    shape: Annotated[
        str | None, typer.Option("--as", help="The shape of the rows, where it should not be found.")
    ] = None,
    to: Annotated[Path | None, typer.Option("--out", "-o", help="Write the records here, as JSON Lines.")] = None,
    dropped: Annotated[
        Path | None, typer.Option("--dropped", help="List the dropped rows here, each with its reason.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Read a FILE of any published shape, say which it is, show three records, and count what was dropped and why.

    With `--out` the good rows become a file that any recipe can name. The dropped ones are then listed beside it, in
    `OUT.dropped.jsonl`, unless `--dropped` names another place. Ends with an error when no row could be kept.

    Examples: `osler corpora import medquad.zip` · `osler corpora import chats.json -o chats.jsonl`
    """
    from corpora.importing import import_file, no_record

    if to is not None and dropped is None:
        dropped = to.with_suffix(".dropped.jsonl")
    tally = import_file(file, shape, to, dropped)
    if as_json:
        typer.echo(json.dumps(tally.as_dict(), ensure_ascii=False))
    if not tally.kept:
        raise no_record(file, tally)
    if as_json:
        return
    head = Text.assemble((file.name, "bold"), ": shape ", (str(tally.shape), "bold"), f", {tally.record} records")
    out.print(head)
    out.print(f"{tally.kept:,} kept, {tally.dropped:,} dropped")
    for reason, count in tally.reasons.most_common():
        out.print(f"  {count:>9,}  {reason}", markup=False)
    for number, record in enumerate(tally.samples, start=1):
        out.print(f"\nrecord {number}: {record.id}", style="dim", markup=False)
        out.print(shown(record), markup=False)
    if to is not None:
        err.print(f"records: {to}" + (f" · dropped rows: {dropped}" if tally.dropped else ""), markup=False)


@app.command("list")
def list_(
    kind: Annotated[str | None, typer.Option(help="Only these: pretraining, sft, preference or benchmark.")] = None,
    language: Annotated[str | None, typer.Option(help="Only in this language: en, zh, …")] = None,
    commercial: Annotated[
        bool, typer.Option("--commercial", help="Only what is known to allow commercial use.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List the catalogue: the public datasets that medical models are made and examined with.

    Examples: `osler corpora list --kind sft --language zh` · `osler corpora list --commercial`
    """
    from corpora.catalog import load_catalog

    entries = {
        name: entry
        for name, entry in load_catalog().items()
        if (kind is None or entry.kind == kind)
        and (language is None or language in entry.language)
        and (not commercial or entry.commercial == "yes")
    }
    if as_json:
        typer.echo(json.dumps({name: entry.model_dump() for name, entry in entries.items()}, ensure_ascii=False))
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for head in ("name", "kind", "language", "commercial", "licence", "rows"):
        table.add_column(head, no_wrap=True, overflow="fold" if head == "name" else "ellipsis")
    for name, entry in entries.items():
        table.add_row(name, entry.kind, " ".join(entry.language), entry.commercial, entry.licence[:50], entry.rows[:50])
    out.print(table)
    err.print(
        f"{len(entries)} of {len(load_catalog())} datasets; `osler corpora show NAME` tells all of one", style="dim"
    )


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A dataset's name, as `osler corpora list` has it.")],
    as_json: JsonOption = False,
) -> None:
    """Show everything that the catalogue knows of a dataset, and what its licence means.

    What could not be verified at a public address is "unknown".

    Example: `osler corpora show medical-o1-reasoning-sft`
    """
    from corpora.catalog import find_dataset
    from corpora.licences import consequence

    entry = find_dataset(name)
    if as_json:
        typer.echo(json.dumps({"name": name, "record": entry.record, **entry.model_dump()}, ensure_ascii=False))
        return
    out.print(f"[bold]{entry.title}[/bold]")
    out.print(entry.about, markup=False)
    out.print()
    columns = (
        entry.columns
        if isinstance(entry.columns, str)
        else "; ".join(f"{file}: {', '.join(names)}" for file, names in entry.columns.items())
    )
    for label, value in (
        ("kind", f"{entry.kind}, read as {entry.record} records by the adapter {entry.adapter}"),
        ("language", " ".join(entry.language)),
        ("rows", entry.rows),
        ("size", entry.size),
        ("columns", columns),
        ("address", entry.address),
        ("hub", f"{entry.hub} at {entry.revision}"),
        ("ModelScope", entry.modelscope),
        ("licence", f"{entry.licence} ({entry.licence_at})"),
        ("its use", "; ".join(consequence([name]))),
        ("citation", entry.citation),
        ("verified at", "\n".join(entry.verified) or "unknown"),
    ):
        out.print(f"{label + ':':<14}{value}", markup=False, soft_wrap=True)


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="A dataset's name, as `osler corpora list` has it.")],
    data: Annotated[Path, typer.Option("--data", help="Folder for datasets; this one goes into DATA/NAME.")],
    where: Annotated[
        str | None, typer.Option("--from", help="hub or modelscope. Default: the hub, if it is there.")
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option(help="Another server that speaks the hub's protocol, as a mirror does.")
    ] = None,
) -> None:
    """Fetch a dataset into a folder, at the revision that the catalogue pins.

    What is there already is not fetched again, and what was cut off goes on. `HF_TOKEN`, `HF_ENDPOINT` and
    `MODELSCOPE_ENDPOINT` are read from the environment.

    Example: `osler corpora fetch medical-o1-reasoning-sft --data ~/datasets`
    """
    from corpora.catalog import find_dataset, origin_of
    from corpora.errors import DataError
    from corpora.fetch import fetch as fetch_files

    if where not in (None, "hub", "modelscope"):
        raise DataError(f"--from is hub or modelscope, not '{where}'")
    entry = find_dataset(name)
    origin = origin_of(name, where, endpoint)
    paths = fetch_files(name, origin, entry.patterns, data)
    err.print(f"{len(paths)} files of {origin.repository} in {data / name}; licence: {entry.licence}", markup=False)
    for path in paths:
        typer.echo(path)


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
    from corpora.errors import DataError

    try:
        what = Deidentification.model_validate({"kinds": kinds} if kinds else {})
    except ValidationError as error:
        raise DataError(f"--kind is one of: {', '.join(KINDS)}") from error
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
    data: Annotated[Path | None, typer.Option("--data", help="Folder that holds the catalogued benchmarks.")] = None,
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

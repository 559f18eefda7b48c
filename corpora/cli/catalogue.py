"""Commands on files and on the catalogue: import, list, show, fetch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from corpora.cli.options import JsonOption, app, err, out
from corpora.records import LETTERS, Dialogue, Document, ExamItem, Preference, Record


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
    from corpora.errors import DataError

    catalog = load_catalog()
    for option, word, known in (
        ("--kind", kind, {entry.kind for entry in catalog.values()}),
        ("--language", language, {one for entry in catalog.values() for one in entry.language}),
    ):
        if word is not None and word not in known:
            raise DataError(f"{option} {word}: no dataset is of this one; known here: {', '.join(sorted(known))}")
    entries = {
        name: entry
        for name, entry in catalog.items()
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
    err.print(f"{len(entries)} of {len(catalog)} datasets; `osler corpora show NAME` tells all of one", style="dim")


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
        *(
            [("made as", entry.compilation), ("read from", ", ".join(f"DATA/{path}" for path in entry.files))]
            if entry.compilation
            else []
        ),
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

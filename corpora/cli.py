"""The commands ``osler corpora …``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from corpora.records import Dialogue, Document, ExamItem, Preference, Record

app = typer.Typer(help="Find, read, check and count the data that models are made from.", no_args_is_help=True)
out = Console(highlight=False)
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
        for place, (letter, option) in enumerate(zip("ABCDEFGHIJ", record.options, strict=False))
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
    out.print(f"[bold]{file.name}[/bold]: shape [bold]{tally.shape}[/bold], {tally.record} records")
    out.print(f"{tally.kept:,} kept, {tally.dropped:,} dropped")
    for reason, count in tally.reasons.most_common():
        out.print(f"  {count:>9,}  {reason}", markup=False)
    for number, record in enumerate(tally.samples, start=1):
        out.print(f"\nrecord {number}: {record.id}", style="dim", markup=False)
        out.print(shown(record), markup=False)
    if to is not None:
        err.print(f"records: {to}" + (f" · dropped rows: {dropped}" if tally.dropped else ""))

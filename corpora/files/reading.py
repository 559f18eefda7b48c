"""Files of any published form -> rows.

JSON Lines under whatever suffix; JSON as a list, as an object of rows by id, as an object that holds one list, or as a single row; CSV
and TSV; Parquet; XML of MedQuAD, CNXML, PubMed and JATS; plain text and Markdown; and each of them in gzip or in a zip
archive. What a file is, its first bytes say and not its name. A row that cannot be read does not end the reading: it comes
as a fault with its place, and the next one follows.
"""

from __future__ import annotations

import gzip
import io
import itertools
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from corpora.disk import check_file
from corpora.errors import DataError
from corpora.files.json_rows import has_rows_by_line, json_lines, json_rows
from corpora.files.row import RawRow
from corpora.files.table_rows import csv_rows, is_table
from corpora.files.xml_rows import xml_rows


def raw_rows(path: Path) -> Iterator[RawRow]:
    """Rows of the file in its order.

    Raises:
        DataError: there is no such file, it is empty, or it is of no form that is known here.
    """
    check_file(path)
    if path.stat().st_size == 0:
        raise DataError(f"{path}: the file is empty; an empty corpus cannot be used")
    with path.open("rb") as stream:
        yield from _rows(stream, path.name)


def _rows(stream: IO[bytes], name: str) -> Iterator[RawRow]:
    start = stream.read(8)
    stream.seek(0)
    if start.startswith(b"\x1f\x8b"):
        yield from _gzip_rows(stream, name)
    elif start.startswith(b"PK\x03\x04"):
        yield from _zip_rows(stream, name)
    elif start.startswith(b"PAR1"):
        yield from _parquet_rows(stream, name)
    else:
        yield from _text_rows(stream, name)


def _gzip_rows(stream: IO[bytes], name: str) -> Iterator[RawRow]:
    try:
        with gzip.open(stream) as inner:
            yield from _rows(cast(IO[bytes], inner), name.removesuffix(".gz"))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        yield RawRow("the end", {}, f"the gzip file is cut off or damaged ({error})")


def _zip_rows(stream: IO[bytes], name: str) -> Iterator[RawRow]:
    try:
        archive = zipfile.ZipFile(stream)
    except zipfile.BadZipFile as error:
        raise DataError(f"{name}: the zip archive is cut off or damaged ({error}); get it again") from error
    for member in archive.infolist():
        # macOS adds a shadow of each file, and archives carry notes that are no data.
        if member.is_dir() or member.filename.startswith("__MACOSX/") or Path(member.filename).name.startswith("."):
            continue
        try:
            with archive.open(member) as inner:
                for row in _rows(inner, Path(member.filename).name):
                    yield RawRow(f"{member.filename}, {row.place}", row.value, row.fault)
        except (DataError, zipfile.BadZipFile, RuntimeError, NotImplementedError, zlib.error, EOFError) as error:
            yield RawRow(member.filename, {}, f"a part of the archive cannot be read ({type(error).__name__})")


def _parquet_rows(stream: IO[bytes], name: str) -> Iterator[RawRow]:
    import pyarrow
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(stream if stream.seekable() else io.BytesIO(stream.read()))
        number = itertools.count(1)
        for batch in file.iter_batches(batch_size=1000):
            yield from (RawRow(f"row {next(number)}", row) for row in batch.to_pylist())
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{name}: the Parquet file is cut off or damaged ({error}); get it again") from error


def _encoding(start: bytes) -> str:
    """The encoding of a text, from its first bytes: UTF-8 or UTF-16 by their marks, else UTF-8, or GB 18030 where that fits."""
    if start.startswith(b"\xef\xbb\xbf"):
        return "utf-8-sig"
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    start = start[: start.rfind(b"\n") + 1] or start
    for encoding in ("utf-8", "gb18030"):
        try:
            start.decode(encoding)
        except UnicodeDecodeError as error:
            if encoding == "utf-8" and error.end == len(start) and error.reason == "unexpected end of data":
                return "utf-8"
            continue
        return encoding
    return "utf-8"


def _text_rows(stream: IO[bytes], name: str) -> Iterator[RawRow]:
    start = stream.read(2**16)
    stream.seek(0)
    encoding = _encoding(start)
    if encoding == "utf-16":
        stream, encoding = io.BytesIO(stream.read().decode("utf-16", "replace").encode()), "utf-8"
        start = stream.read(2**16)
        stream.seek(0)
    head = start.decode(encoding, "replace").lstrip("\ufeff \t\r\n")
    suffix = Path(name).suffix.lower()
    if suffix in (".csv", ".tsv"):
        yield from csv_rows(stream, encoding)
    elif suffix in (".txt", ".md") and not head.startswith(("{", "[", "<?xml")):
        if is_table(head):
            yield from csv_rows(stream, encoding)
        else:
            text = stream.read().decode(encoding, "replace")
            yield RawRow("row 1", {"id": Path(name).stem, "title": Path(name).stem, "text": text})
    elif head.startswith("<"):
        yield from xml_rows(stream, name)
    elif head.startswith("{") and has_rows_by_line(stream):
        yield from json_lines(stream, encoding)
    elif head.startswith(("{", "[")):
        yield from json_rows(stream, encoding, name, head[0])
    elif suffix in (".jsonl", ".json", ".ndjson"):
        yield from json_lines(stream, encoding)
    elif is_table(head):
        yield from csv_rows(stream, encoding)
    else:
        raise DataError(
            f"{name}: not a form that is known here; there are JSON Lines, JSON, CSV, TSV, Parquet, XML (MedQuAD, CNXML, PubMed, "
            "JATS), .txt and .md, and gzip and zip of them"
        )

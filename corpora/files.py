"""Files of any published form -> rows.

JSON Lines under whatever suffix; JSON as a list, as an object of rows by id, as an object that holds one list, or as a single row; CSV
and TSV; Parquet; XML of MedQuAD, CNXML, PubMed and JATS; plain text and Markdown; and each of them in gzip or in a zip
archive. What a file is, its first bytes say and not its name. A row that cannot be read does not end the reading: it comes
as a fault with its place, and the next one follows.
"""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast
from xml.etree import ElementTree

from corpora.errors import DataError

Row = dict[str, Any]
OF_A_ROW = ("options", "option", "choices", "answers", "answer_options", "endings", "选项")  # lists that are no rows
LONGEST_LINE = 64 * 2**20  # bytes; a longer line of a JSON Lines file is refused rather than read into memory


@dataclass(frozen=True)
class RawRow:
    """A row of a file, or the reason why there is none at this place."""

    place: str  # "row 3", or "part/a.xml, row 3" in an archive
    value: Row
    fault: str = ""


def raw_rows(path: Path) -> Iterator[RawRow]:
    """Rows of the file in its order.

    Raises:
        DataError: there is no such file, it is empty, or it is of no form that is known here.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file" if not path.exists() else f"{path}: not a file")
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
        yield from _csv_rows(stream, encoding, name)
    elif suffix in (".txt", ".md") and not head.startswith(("{", "[", "<?xml")):
        if _is_table(head):
            yield from _csv_rows(stream, encoding, name)
        else:
            text = stream.read().decode(encoding, "replace")
            yield RawRow("row 1", {"id": Path(name).stem, "title": Path(name).stem, "text": text})
    elif head.startswith("<"):
        yield from _xml_rows(stream, name)
    elif head.startswith("{") and _has_rows_by_line(stream):
        yield from _json_lines(stream, encoding)
    elif head.startswith(("{", "[")):
        yield from _json_rows(stream, encoding, name, head[0])
    elif suffix in (".jsonl", ".json", ".ndjson"):
        yield from _json_lines(stream, encoding)
    elif _is_table(head):
        yield from _csv_rows(stream, encoding, name)
    else:
        raise DataError(
            f"{name}: not a form that is known here; there are JSON Lines, JSON, CSV, TSV, Parquet, XML (MedQuAD, CNXML, PubMed, "
            "JATS), .txt and .md, and gzip and zip of them"
        )


def _has_rows_by_line(stream: IO[bytes]) -> bool:
    """Whether a file that begins with an object is JSON Lines: its first line is one, or broken with another object after it."""
    line = stream.readline(LONGEST_LINE + 1)
    rest = stream.read(2**16).lstrip()
    stream.seek(0)
    return bool(rest) and (rest.startswith(b"{") or _is_object(line))


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _loads(text: str) -> Any:
    """A JSON value.

    Raises:
        ValueError: it is none, or nested too deep. NaN and infinity, which JSON has not, are refused.
    """

    def refuse(word: str) -> Any:
        raise ValueError(f"{word} is no JSON")

    try:
        return json.loads(text, parse_constant=refuse)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def _json_lines(stream: IO[bytes], encoding: str) -> Iterator[RawRow]:
    number = 0
    while line := stream.readline(LONGEST_LINE + 1):
        number += 1
        place = f"row {number}"
        if len(line) > LONGEST_LINE:
            while line and not line.endswith(b"\n"):
                line = stream.readline(LONGEST_LINE)
            yield RawRow(place, {}, f"the line is longer than {LONGEST_LINE // 2**20} MiB")
            continue
        try:
            text = line.decode(encoding).strip("\ufeff \t\r\n")
        except UnicodeDecodeError:
            yield RawRow(place, {}, "not valid UTF-8")
            continue
        if text:
            yield _json_row(text, place)


def _json_row(text: str, place: str) -> RawRow:
    try:
        return _as_row(_loads(text), place)
    except ValueError:
        return RawRow(place, {}, "not valid JSON")


def _as_row(value: Any, place: str) -> RawRow:
    if isinstance(value, dict):
        return RawRow(place, value)
    if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        return RawRow(place, {"messages": value})  # a bare list of turns
    return RawRow(place, {}, f"not an object but of type {type(value).__name__}")


def _json_rows(stream: IO[bytes], encoding: str, name: str, first: str) -> Iterator[RawRow]:
    text = stream.read().decode(encoding, "replace").lstrip("\ufeff")
    try:
        whole = _loads(text)
    except ValueError as error:
        if first == "[":
            yield from _salvaged(text)
            return
        raise DataError(f"{name}: not valid JSON: {error}") from error
    if isinstance(whole, dict):
        whole = _rows_of_object(whole)
    for number, value in enumerate(whole, start=1):
        yield _as_row(value, f"row {number}")


def _rows_of_object(whole: Row) -> list[Any]:
    """An object of rows by id as a list with the id in ``__key__``; of an object that holds one list of rows, that list."""
    if len(whole) > 1 and all(isinstance(value, dict) for value in whole.values()):
        return [{"__key__": key, **value} for key, value in whole.items()]
    if isinstance(whole.get("Instances"), list) and isinstance(
        whole.get("Definition"), list
    ):  # MedS-Ins: a task and its rows
        return [_instance(whole["Definition"], one) for one in whole["Instances"]]
    # The options of an exam question are parts of one row.
    named = {name: value for name, value in whole.items() if name.lower() not in OF_A_ROW}
    lists = [value for value in named.values() if isinstance(value, list) and value and isinstance(value[0], dict)]
    if len(lists) == 1 and len(lists[0]) > 1 and not _is_turn(lists[0][0]):
        return list(lists[0])
    return [whole]


def _instance(definition: list[Any], value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    output = value.get("output")
    return {
        "instruction": definition[0] if definition else "",
        **value,
        "output": output[0] if isinstance(output, list) and output else output,
    }


def _is_turn(value: Row) -> bool:
    return bool({"role", "from", "speaker"} & value.keys()) or {"human", "assistant"} <= value.keys()


def _salvaged(text: str) -> Iterator[RawRow]:
    """Rows of a JSON list that is broken somewhere: those before the break, and those after it that can be told apart."""
    decoder = json.JSONDecoder()
    place, number = text.index("[") + 1, 0
    while True:
        while place < len(text) and text[place] in " \t\r\n,":
            place += 1
        if place < len(text) and text[place] == "]":
            return
        number += 1
        if place >= len(text):
            yield RawRow(f"row {number}", {}, "the list has no end: the file is cut off")
            return
        try:
            value, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):  # no JSON, a number of more digits than Python reads, or nested too deep
            yield RawRow(f"row {number}", {}, "not valid JSON")
            following = re.compile(r"\}\s*,\s*(?=\{)").search(text, place + 1)
            if following is None:
                return
            place = following.end()
            continue
        yield _as_row(value, f"row {number}")


def _is_table(head: str) -> bool:
    """Whether the first lines have the same number of tabs, or of commas, more than none."""
    lines = [line for line in head.splitlines()[:-1] if line.strip()][:5]
    return len(lines) > 1 and any(
        counts[0] > 0 and len(set(counts)) == 1 for counts in ([line.count(mark) for line in lines] for mark in "\t,")
    )


def _csv_rows(stream: IO[bytes], encoding: str, name: str) -> Iterator[RawRow]:
    csv.field_size_limit(LONGEST_LINE)
    text = io.TextIOWrapper(stream, encoding=encoding, errors="surrogateescape", newline="")
    first = text.readline()
    mark = max("\t,;", key=first.count)
    text.seek(0)
    reader = csv.reader(text, delimiter=mark, quoting=csv.QUOTE_NONE if mark == "\t" else csv.QUOTE_MINIMAL)
    header: list[str] | None = None
    number = 0
    while True:
        number += 1
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            yield RawRow(f"row {number}", {}, f"not valid CSV ({error})")
            continue
        if not any(cell.strip() for cell in cells):
            continue
        if header is None:
            header = _header(cells)
            if header != [cell.strip() for cell in cells]:  # there is no header: this is a row
                yield RawRow(f"row {number}", dict(zip(header, cells, strict=False)))
            continue
        if len(cells) != len(header):
            yield RawRow(f"row {number}", {}, f"{len(cells)} cells where the first line has {len(header)}")
        else:
            yield RawRow(f"row {number}", dict(zip(header, cells, strict=True)))
    text.detach()


def _header(cells: list[str]) -> list[str]:
    """The names of the columns: those of the first line, or of MMLU's or webMedQA's files, which have none."""
    if len(cells) == 6 and cells[5].strip() in ("A", "B", "C", "D"):
        return ["question", "A", "B", "C", "D", "answer"]
    if len(cells) == 5 and cells[1].strip() in ("0", "1"):
        return ["department", "label", "question_id", "question", "answer"]
    return [cell.strip() for cell in cells]


def _local(tag: str) -> str:
    return tag.rsplit("}", 1)[-1]


def _text_of(element: ElementTree.Element | None) -> str:
    """All text inside an element, white space joined."""
    return " ".join("".join(element.itertext()).split()) if element is not None else ""


def _find(element: ElementTree.Element, *names: str) -> ElementTree.Element | None:
    """The first descendant of one of these names, whatever their namespace."""
    return next((one for one in element.iter() if _local(one.tag) in names), None)


PARAGRAPHS = ("para", "p", "item", "title", "caption", "note", "entry")


def _xml_rows(stream: IO[bytes], name: str) -> Iterator[RawRow]:
    try:
        root = ElementTree.parse(stream).getroot()
    except ElementTree.ParseError as error:
        raise DataError(f"{name}: not valid XML: {error}") from error
    kind = _local(root.tag)
    if kind == "Document" and _find(root, "QAPairs") is not None:
        yield from _medquad_rows(root)
    elif kind == "NLM-QUESTIONS" or kind.startswith("LiveQA2017-Medical-Test"):  # the training sets, and the test set
        yield from _liveqa_rows(root)
    elif kind == "PubmedArticleSet":
        yield from _pubmed_rows(root)
    elif kind == "document" and "cnxml" in root.tag:
        content = _find(root, "content")
        yield RawRow(
            "row 1", {"id": Path(name).stem, "title": _text_of(_find(root, "title")), "text": _paragraphs(content)}
        )
    elif kind == "article":  # JATS
        pieces = [_paragraphs(_find(root, "abstract")), _paragraphs(_find(root, "body"))]
        yield RawRow(
            "row 1",
            {
                "id": Path(name).stem,
                "title": _text_of(_find(root, "article-title")),
                "text": "\n\n".join(piece for piece in pieces if piece),
                "licence": _text_of(_find(root, "license")),
            },
        )
    else:
        raise DataError(
            f"{name}: XML with the root <{kind}>; known here are MedQuAD's <Document>, LiveQA's <NLM-QUESTIONS>, CNXML's <document>, "
            "PubMed's <PubmedArticleSet> and JATS' <article>"
        )


def _paragraphs(element: ElementTree.Element | None) -> str:
    """The text of an element's paragraphs, titles and list items, a blank line between them."""
    if element is None:
        return ""
    found: list[str] = []

    def walk(one: ElementTree.Element) -> None:
        for child in one:
            if _local(child.tag) in PARAGRAPHS and not any(
                _local(inner.tag) in PARAGRAPHS for inner in list(child.iter())[1:]
            ):
                text = _text_of(child)
                if text:
                    found.append(text)
            else:
                walk(child)

    walk(element)
    return "\n\n".join(found) or _text_of(element)


def _medquad_rows(root: ElementTree.Element) -> Iterator[RawRow]:
    focus = _text_of(_find(root, "Focus"))
    number = 0
    for pair in root.iter():
        if _local(pair.tag) != "QAPair":
            continue
        number += 1
        question, answer = _find(pair, "Question"), _find(pair, "Answer")
        yield RawRow(
            f"row {number}",
            {
                "id": question.get("qid", f"{root.get('id', '')}-{number}") if question is not None else str(number),
                "source": root.get("source", ""),
                "url": root.get("url", ""),
                "focus": focus,
                "qtype": question.get("qtype", "") if question is not None else "",
                "question": _text_of(question),
                "answer": (answer.text or "").strip() if answer is not None else "",
            },
        )


def _liveqa_rows(root: ElementTree.Element) -> Iterator[RawRow]:
    """A row for each answer of each sub-question; the asker's message is the question."""
    number = 0
    for asked in root.iter("NLM-QUESTION"):
        message = _text_of(_find(asked, "MESSAGE", "Message")) or _text_of(_find(asked, "SUBJECT", "Subject"))
        for part in (one for one in asked.iter() if _local(one.tag) in ("ANSWER", "ReferenceAnswer")):
            inner = _find(part, "Answer", "ANSWER") if _local(part.tag) == "ReferenceAnswer" else part
            if inner is not part and inner is not None and _local(inner.tag) == "ANSWER":
                continue  # it comes itself
            number += 1
            answer = inner
            yield RawRow(
                f"row {number}",
                {
                    "id": part.get("answerid") or part.get("aid") or str(number),
                    "focus": _text_of(_find(asked, "FOCUS", "Q-Focus")),
                    "question": message,
                    "answer": (answer.text or "").strip() if answer is not None else "",
                },
            )


def _pubmed_rows(root: ElementTree.Element) -> Iterator[RawRow]:
    for number, article in enumerate(root.iter("PubmedArticle"), start=1):
        abstract = " ".join(_text_of(one) for one in article.iter("AbstractText"))
        yield RawRow(
            f"row {number}",
            {
                "pmid": _text_of(article.find(".//PMID")),
                "title": _text_of(article.find(".//ArticleTitle")),
                "abstract": abstract,
            },
        )

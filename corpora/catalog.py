"""Find a dataset, verify it, and stream its records.

A dataset is named as in ``catalog.yaml``, or is the path of a file of the user's own.
"""

from __future__ import annotations

import difflib
import functools
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from corpora.adapters import ADAPTERS
from corpora.errors import DataError
from corpora.records import Record

CATALOG_PATH = Path(__file__).parent / "catalog.yaml"


class Dataset(BaseModel):
    """One entry of the catalogue."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    record: Literal["document", "dialogue", "preference", "exam_item"]
    adapter: str
    files: dict[str, str]  # path below the data folder -> SHA-256
    address: str
    licence: str
    language: str
    compilation: str = ""


@functools.cache
def load_catalog() -> dict[str, Dataset]:
    """All entries of ``catalog.yaml`` by name."""
    raw = yaml.safe_load(CATALOG_PATH.read_text(encoding="utf-8"))
    return {name: Dataset.model_validate(entry) for name, entry in raw.items()}


def find_dataset(name: str) -> Dataset:
    """The entry called ``name``.

    Raises:
        DataError: there is none; the message offers the nearest name.
    """
    catalog = load_catalog()
    if name not in catalog:
        near = difflib.get_close_matches(name, catalog, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else f"; the catalogue has: {', '.join(sorted(catalog))}"
        raise DataError(f"no dataset is called '{name}'{hint}")
    return catalog[name]


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def locate(name: str, data_dir: Path | None) -> list[Path]:
    """Paths of a dataset's files below ``data_dir``, each verified by its SHA-256.

    Raises:
        DataError: no folder was given, a file is missing there, or its bytes are not the catalogued ones.
    """
    entry = find_dataset(name)
    if data_dir is None:
        raise DataError(
            f"dataset '{name}' is read from a local folder: get it from {entry.address} and name the folder that "
            f"holds {', '.join(entry.files)} with --data"
        )
    paths = []
    for relative, expected in entry.files.items():
        path = data_dir / relative
        if not path.is_file():
            raise DataError(f"{path}: missing file of dataset '{name}'; it comes from {entry.address}")
        if file_sha256(path) != expected:
            raise DataError(
                f"{path}: not the catalogued version of dataset '{name}' (its SHA-256 differs); get it again from "
                f"{entry.address}"
            )
        paths.append(path)
    return paths


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Rows of a JSON Lines file, or of a JSON file that holds a list of objects.

    Each row carries its 1-based number under ``__row__``.

    Raises:
        DataError: the file is missing, holds no row, or a row is not a JSON object.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    count = 0
    with path.open(encoding="utf-8") as stream:
        first = stream.read(1)
        stream.seek(0)
        if first == "[":
            try:
                rows = json.load(stream)
            except json.JSONDecodeError as error:
                raise DataError(f"{path}: not valid JSON: {error}") from error
            numbered: Iterator[tuple[int, Any]] = enumerate(rows, start=1)
        else:
            numbered = ((number, line) for number, line in enumerate(stream, start=1) if line.strip())
        for number, row in numbered:
            if isinstance(row, str):
                try:
                    row = json.loads(row)
                except json.JSONDecodeError as error:
                    raise DataError(f"{path}, row {number}: not valid JSON: {error}") from error
            if not isinstance(row, dict):
                raise DataError(f"{path}, row {number}: expected an object, found {type(row).__name__}")
            row["__row__"] = number
            count += 1
            yield row
    if count == 0:
        raise DataError(f"{path}: the file holds no rows; an empty corpus cannot be used")


def _pubmedqa_rows(paths: list[Path]) -> Iterator[dict[str, Any]]:
    """The rows of PQA-L whose PMID is in the official test split, in that split's order."""
    rows = json.loads(paths[0].read_text(encoding="utf-8"))
    for pmid in json.loads(paths[1].read_text(encoding="utf-8")):
        yield {**rows[pmid], "pmid": pmid, "__row__": pmid}


def adapt(rows: Iterator[dict[str, Any]], adapter: str, dataset: str, place: str) -> Iterator[Record]:
    """Records of ``rows``.

    Raises:
        DataError: a row lacks a field or holds a value that the record refuses; the message names the row.
    """
    if adapter not in ADAPTERS:
        raise DataError(f"no adapter is called '{adapter}'; there are: {', '.join(ADAPTERS)}")
    for row in rows:
        try:
            yield ADAPTERS[adapter](row, dataset)
        except KeyError as error:
            present = ", ".join(key for key in row if key != "__row__")
            raise DataError(
                f"{place}, row {row['__row__']}: the field {error} is missing (the row has: {present}); "
                f"adapter '{adapter}' needs it"
            ) from error
        except ValidationError as error:
            raise DataError(f"{place}, row {row['__row__']}: {error.errors()[0]['msg']}") from error
        except (ValueError, TypeError, AttributeError) as error:
            raise DataError(f"{place}, row {row['__row__']}: {error}") from error


def stream_records(name: str, data_dir: Path | None = None) -> Iterator[Record]:
    """Records of a catalogued dataset, in the order of its files."""
    entry = find_dataset(name)
    paths = locate(name, data_dir)
    if name == "pubmedqa-test":
        yield from adapt(_pubmedqa_rows(paths), entry.adapter, name, str(paths[0]))
        return
    for path in paths:
        yield from adapt(read_rows(path), entry.adapter, name, str(path))

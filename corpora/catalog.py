"""Find a dataset, verify it, and stream its records.

A dataset is named as in ``catalog.yaml``, or is the path of a file of the user's own.
"""

from __future__ import annotations

import difflib
import functools
import hashlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

from corpora.errors import DataError
from corpora.files import RawRow, raw_rows
from corpora.importing import Tally, import_rows
from corpora.records import Record

log = logging.getLogger(__name__)

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


def _pubmedqa_rows(paths: list[Path]) -> Iterator[RawRow]:
    """The rows of PQA-L whose PMID is in the official test split, in that split's order."""
    rows = json.loads(paths[0].read_text(encoding="utf-8"))
    for number, pmid in enumerate(json.loads(paths[1].read_text(encoding="utf-8")), start=1):
        yield RawRow(f"row {number}", {**rows[pmid], "pmid": pmid})


def stream_records(name: str, data_dir: Path | None = None) -> Iterator[Record]:
    """Records of a catalogued dataset, in the order of its files.

    Of text to train on, rows that are no good are left out, and their number is logged. An exam is given whole or not at all.

    Raises:
        DataError: as ``locate``, and for a row of an exam that cannot be used.
    """
    entry = find_dataset(name)
    paths = locate(name, data_dir)
    tally = Tally()
    for path in paths[:1] if name == "pubmedqa-test" else paths:
        rows = _pubmedqa_rows(paths) if name == "pubmedqa-test" else raw_rows(path)

        def refuse(row: RawRow, reason: str, path: Path = path) -> None:
            if entry.record == "exam_item":
                raise DataError(f"{path}, {row.place}: {reason}")

        yield from import_rows(rows, name, tally, entry.adapter, refuse)
    if tally.dropped:
        log.warning(
            "%s: %d of %d rows left out: %s", name, tally.dropped, tally.dropped + tally.kept, dict(tally.reasons)
        )

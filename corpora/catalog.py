"""Find a dataset, verify it, and stream its records.

A dataset is named as in ``catalog.yaml``, or is the path of a file of the user's own.
"""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

from corpora.adapters import ADAPTERS, SHAPES
from corpora.disk import file_sha256
from corpora.errors import DataError, nearest
from corpora.fetch import fetched, wanted
from corpora.files.reading import raw_rows
from corpora.files.row import RawRow
from corpora.hubs.origin import Origin, server_of
from corpora.importing import Tally, import_rows, stream_file
from corpora.records import Record

log = logging.getLogger(__name__)

UNKNOWN: Literal["unknown"] = "unknown"
Answer = Literal["yes", "no", "unknown"]

CATALOG_PATH = Path(__file__).parent / "catalog.yaml"


class Dataset(BaseModel):
    """One entry of the catalogue. What could not be verified at a public address is "unknown", and never a guess."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["pretraining", "sft", "preference", "benchmark"]
    title: str
    about: str
    hub: str = UNKNOWN  # owner/name on the Hugging Face hub
    revision: str = UNKNOWN  # the commit there
    modelscope: str = UNKNOWN  # owner/name on ModelScope
    address: str
    licence: str
    licence_at: str = UNKNOWN
    commercial: Answer = UNKNOWN  # whether what is made from it may be used commercially
    share_alike: Answer = UNKNOWN  # whether what is made from it must carry the same licence
    language: list[str]
    rows: str = UNKNOWN
    size: str = UNKNOWN
    columns: dict[str, list[str]] | Literal["unknown"] = UNKNOWN  # of each file or configuration, as published
    adapter: str = UNKNOWN  # a shape of ``corpora.adapters``; where unknown it is found from the rows
    read: list[str] | Literal["unknown"] = UNKNOWN  # patterns of its data files in the repository
    citation: str = UNKNOWN
    verified: list[str] = []  # addresses that the fields rest on
    compilation: str = ""  # how the files below were made from what is published
    files: dict[str, str] = {}  # path below the data folder -> SHA-256, of files that are read as they are named here

    @property
    def record(self) -> str:
        """The type of record that its rows become: document, dialogue, preference, exam_item, or unknown."""
        if self.adapter in SHAPES:
            return SHAPES[self.adapter].record
        return "document" if self.adapter in ADAPTERS else UNKNOWN

    @property
    def patterns(self) -> list[str]:
        """Patterns of its data files; none where they are not known."""
        return [] if self.read == UNKNOWN else list(self.read)


@functools.cache
def load_catalog() -> dict[str, Dataset]:
    """All entries of ``catalog.yaml`` by name."""
    # libyaml's loader, where it is there: the file is long, and Python's own takes a second for it.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    raw = yaml.load(CATALOG_PATH.read_text(encoding="utf-8"), Loader=loader)
    return {name: Dataset.model_validate(entry) for name, entry in raw.items()}


def find_dataset(name: str) -> Dataset:
    """The entry called ``name``.

    Raises:
        DataError: there is none; the message offers the nearest name.
    """
    catalog = load_catalog()
    if name not in catalog:
        raise DataError(_unknown(name))
    return catalog[name]


def _unknown(name: str) -> str:
    return f"no dataset is called '{name}'; {nearest(name, load_catalog(), '`osler corpora list` shows what there is')}"


def origin_of(name: str, where: str | None = None, endpoint: str | None = None) -> Origin:
    """Where a dataset can be fetched from: the Hugging Face hub if it is there, else ModelScope, or as ``where`` says.

    ``endpoint`` is another server that speaks the same protocol, as a mirror of the hub does.

    Raises:
        DataError: it is not there.
    """
    entry = find_dataset(name)
    where = where or ("hub" if entry.hub != UNKNOWN else "modelscope")
    repository = entry.hub if where == "hub" else entry.modelscope
    if repository == UNKNOWN:
        raise DataError(
            f"'{name}' is not known to be on {where}; get it from {entry.address} and put it into DATA/"
            f"{', DATA/'.join(entry.files) or name}{_compiled(name, entry)}"
        )
    if where == "hub":
        revision = "main" if entry.revision == UNKNOWN else entry.revision
        return Origin("hub", repository, revision, endpoint or server_of("hub"))
    return Origin("modelscope", repository, "master", endpoint or server_of("modelscope"))


def locate(name: str, data_dir: Path | None) -> list[Path]:
    """Paths of a dataset's files below ``data_dir``, verified by SHA-256 where it is known.

    They are where the catalogue's ``files`` names them, or in ``data_dir/name``: fetched there, or put there by hand.

    Raises:
        DataError: no folder was given, a file is missing there, or its bytes are not the ones that were catalogued or fetched.
    """
    entry = find_dataset(name)
    if data_dir is None:
        how = (
            f"with `osler corpora fetch {name} --data DIR`"
            if (entry.hub, entry.modelscope) != (UNKNOWN, UNKNOWN)
            else "get it"
        )
        raise DataError(
            f"dataset '{name}' is read from a local folder: {how} from {entry.address}, and name the folder that holds "
            f"{', '.join(entry.files) or name} with --data{_compiled(name, entry)}"
        )
    folder = data_dir / name
    if not entry.files and folder.is_dir():
        return _in_folder(name, entry, folder)
    if not entry.files:
        raise DataError(
            f"{folder}: missing; fetch it with `osler corpora fetch {name} --data {data_dir}`, or put the files of {entry.address} there"
        )
    return [_verified(data_dir / relative, digest, name, entry) for relative, digest in entry.files.items()]


def _compiled(name: str, entry: Dataset) -> str:
    """What a message adds where the catalogued file was made from what is published: how, and how a file with other bytes is used."""
    if not entry.compilation:
        return ""
    return (
        f". The catalogued file was made from it: {entry.compilation}. One with other bytes is named by its path, in a copy of the recipe, "
        f"in the place of {name}"
    )


def digests(name: str, data_dir: Path | None) -> dict[str, str]:
    """SHA-256 of each of a dataset's files: as catalogued, as they were when fetched, or as they are."""
    entry = find_dataset(name)
    if entry.files or data_dir is None:
        return entry.files
    record = fetched(data_dir / name)
    if record is not None:
        return dict(record["files"])
    return {str(path.relative_to(data_dir)): file_sha256(path) for path in locate(name, data_dir)}


def _in_folder(name: str, entry: Dataset, folder: Path) -> list[Path]:
    record = fetched(folder)
    if record is not None:
        return [_verified(folder / path, digest, name, entry) for path, digest in record["files"].items()]
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    found = [path for path in paths if wanted(path.relative_to(folder).as_posix(), entry.patterns)]
    if not found:
        raise DataError(
            f"{folder}: no file like {', '.join(entry.patterns) or 'a data file'} of dataset '{name}' is here"
        )
    return found


def _verified(path: Path, expected: str, name: str, entry: Dataset) -> Path:
    if not path.is_file():
        raise DataError(
            f"{path}: missing file of dataset '{name}'; it comes from {entry.address}{_compiled(name, entry)}"
        )
    if file_sha256(path) != expected:
        raise DataError(
            f"{path}: not the catalogued version of dataset '{name}' (its SHA-256 differs); get it again from {entry.address}{_compiled(name, entry)}"
        )
    return path


def _pubmedqa_rows(paths: list[Path]) -> Iterator[RawRow]:
    """The rows of PQA-L whose PMID is in the official test split, in that split's order."""
    rows = json.loads(paths[0].read_text(encoding="utf-8"))
    for number, pmid in enumerate(json.loads(paths[1].read_text(encoding="utf-8")), start=1):
        yield RawRow(f"row {number}", {**rows[pmid], "pmid": pmid})


def stream_records(name: str, data_dir: Path | None = None) -> Iterator[Record]:
    """Records of a catalogued dataset, in the order of its files.

    Of what is trained on, rows that are no good are left out, and their number is logged. An exam is given whole or not at all.

    Raises:
        DataError: as ``locate``, and for a row of an exam that cannot be used.
    """
    entry = find_dataset(name)
    paths = locate(name, data_dir)
    shape = None if entry.adapter == UNKNOWN else entry.adapter  # found from the rows
    tally = Tally()
    for path in paths[:1] if name == "pubmedqa-test" else paths:
        rows = _pubmedqa_rows(paths) if name == "pubmedqa-test" else raw_rows(path)

        def refuse(row: RawRow, reason: str, path: Path = path) -> None:
            if entry.kind == "benchmark":
                raise DataError(f"{path}, {row.place}: {reason}")

        yield from import_rows(rows, name, tally, shape, refuse)
    if tally.dropped:
        log.warning(
            "%s: %d of %d rows left out: %s", name, tally.dropped, tally.dropped + tally.kept, dict(tally.reasons)
        )


def named_records(name: str, data_dir: Path | None) -> Iterator[Record]:
    """Records of a catalogued dataset, or of a file of the user's own.

    Raises:
        DataError: it is neither, or cannot be read.
    """
    if name not in load_catalog() and not Path(name).suffix and not Path(name).exists():
        raise DataError(f"{name}: no such file, and {_unknown(name)}")
    yield from stream_records(name, data_dir) if name in load_catalog() else stream_file(Path(name))

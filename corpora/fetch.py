"""A dataset, or the files of a model, from the Hugging Face hub or from ModelScope into a local folder.

``DATA/NAME`` then holds the dataset's files as the hub has them, and ``.osler.json`` their SHA-256, from where they came, and which
revision they are. What was there before is not fetched again; a file that was cut off goes on where it stopped; a connection
that breaks, or a server that is busy, is tried again. A file whose bytes are not those that the hub promises is not kept.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from corpora.disk import file_sha256, writing
from corpora.errors import DataError
from corpora.hubs.huggingface import hub_call, hub_download, hub_files
from corpora.hubs.modelscope import modelscope_download, modelscope_files
from corpora.hubs.origin import Origin, Remote

RECORD = ".osler.json"


def wanted(path: str, patterns: list[str]) -> bool:
    """Whether a file of the repository belongs to the dataset; without patterns all but notes and settings do."""
    if patterns:
        return any(fnmatch.fnmatch(path, pattern) for pattern in patterns)
    return not Path(path).name.startswith(".") and Path(path).suffix.lower() not in (
        ".md",
        ".py",
        ".yaml",
        ".yml",
        ".png",
        ".jpg",
    )


def remote_files(origin: Origin, patterns: list[str]) -> list[Remote]:
    """The files of a dataset or a model on its hub.

    Raises:
        DataError: there is no such repository or revision, it is not open, it has none of the files, or one leads out of its folder.
    """
    files = modelscope_files(origin) if origin.name == "modelscope" else hub_call(hub_files, origin)
    found = [file for file in files if wanted(file.path, patterns)]
    for file in found:
        if Path(file.path).is_absolute() or ".." in Path(file.path).parts:
            raise DataError(
                f"{origin.endpoint}: {origin.repository} lists '{file.path}', which leads out of its folder; not fetched"
            )
    if not found:
        raise DataError(
            f"{origin.repository} has no file like {', '.join(patterns) or 'a data file'}; it has: "
            + ", ".join(file.path for file in files[:10])
        )
    return found


def download(origin: Origin, file: Remote, folder: Path) -> None:
    """One file into ``folder``, from where it stopped if it was cut off before."""
    if origin.name == "modelscope":
        modelscope_download(origin, file, folder)
    else:
        hub_call(hub_download, origin, file, folder)


def fetched(folder: Path) -> dict[str, Any] | None:
    """What ``.osler.json`` in ``folder`` says, or None where nothing was fetched.

    Raises:
        DataError: the file is damaged.
    """
    path = folder / RECORD
    if not path.is_file():
        return None
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path}: damaged ({error}); remove it and fetch the files again") from error
    return record


def fetch(name: str, origin: Origin, patterns: list[str], data_dir: Path) -> list[Path]:
    """Fetches the files of a dataset or a model into ``data_dir/name`` and returns their paths.

    Raises:
        DataError: as ``remote_files``, the network failed for good, or a file is not the one that the hub promises.
    """
    folder = data_dir / name
    files = remote_files(origin, patterns)
    before = fetched(folder) or {}
    known: dict[str, Any] = before.get("files", {}) if before.get("revision") == origin.revision else {}
    record: dict[str, Any] = {
        origin.kind: name,
        "origin": origin.name,
        "repository": origin.repository,
        "revision": origin.revision,
        "files": {},
    }
    folder.mkdir(parents=True, exist_ok=True)
    for file in _progress(files, name):
        path = folder / file.path
        digest = known.get(file.path)
        if digest is None or not path.is_file() or path.stat().st_size != file.size:
            download(origin, file, folder)
            digest = file_sha256(path)
            if path.stat().st_size != file.size or (file.sha256 and digest != file.sha256):
                path.unlink()
                raise DataError(f"{path}: not the bytes that {origin.name} promises; it was not kept. Fetch it again")
        record["files"][file.path] = digest
        # After each file, so that a run that is cut off does not fetch it again.
        with writing(folder / RECORD) as stream:
            json.dump(record, stream, indent=1)
    return [folder / path for path in record["files"]]


def _progress(files: list[Remote], name: str) -> Iterator[Remote]:
    with tqdm(total=sum(file.size for file in files), desc=name, unit="B", unit_scale=True, dynamic_ncols=True) as bar:
        for file in files:
            yield file
            bar.update(file.size)

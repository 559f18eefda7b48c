"""A dataset, or the files of a model, from the Hugging Face hub or from ModelScope into a local folder.

``DATA/NAME`` then holds the dataset's files as the hub has them, and ``.osler.json`` their SHA-256, from where they came, and which
revision they are. What was there before is not fetched again; a file that was cut off goes on where it stopped; a connection
that breaks, or a server that is busy, is tried again. A file whose bytes are not those that the hub promises is not kept.
"""

from __future__ import annotations

import fnmatch
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx
import tenacity
from tqdm import tqdm

from corpora.disk import file_sha256, writing
from corpora.errors import DataError

RECORD = ".osler.json"
HUB, MODELSCOPE = "https://huggingface.co", "https://www.modelscope.cn"
PAGE = 200  # files of a listing
TRIES = 6
HUB_TRIES = 2  # each is five of the hub's own library
CHUNK = 2**16  # bytes; of a connection that is cut, what is less than a chunk is lost


@dataclass(frozen=True)
class Remote:
    """A file of a dataset on a hub."""

    path: str
    size: int
    sha256: str | None  # where the hub says it


@dataclass(frozen=True)
class Origin:
    """Where a dataset or a model is fetched from."""

    name: str  # hub or modelscope
    repository: str
    revision: str
    endpoint: str
    kind: Literal["dataset", "model"] = "dataset"


def server_of(name: str) -> str:
    """The address of the ``hub`` or of ``modelscope``, or of the mirror that the environment names (HF_ENDPOINT, MODELSCOPE_ENDPOINT)."""
    if name == "hub":
        return os.environ.get("HF_ENDPOINT") or HUB
    return os.environ.get("MODELSCOPE_ENDPOINT") or MODELSCOPE


class Busy(Exception):
    """An answer after which the same request may succeed later."""


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


def hub_files(origin: Origin) -> list[Remote]:
    """The files of a repository of the Hugging Face hub."""
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

    api = HfApi(endpoint=origin.endpoint)
    tree = api.list_repo_tree(origin.repository, recursive=True, revision=origin.revision, repo_type=origin.kind)
    return [
        Remote(entry.path, entry.size, entry.lfs.sha256 if entry.lfs else None)
        for entry in tree
        if isinstance(entry, RepoFile)
    ]


def hub_download(origin: Origin, file: Remote, folder: Path) -> None:
    """One file of the Hugging Face hub into ``folder``, by the hub's own library, which resumes what was cut off."""
    from huggingface_hub import hf_hub_download

    hf_hub_download(
        origin.repository,
        file.path,
        repo_type=origin.kind,
        revision=origin.revision,
        local_dir=folder,
        endpoint=origin.endpoint,
    )


def _modelscope_get(client: httpx.Client, origin: Origin, query: dict[str, Any]) -> dict[str, Any]:
    listing = "files" if origin.kind == "model" else "tree"
    url = f"{origin.endpoint}/api/v1/{origin.kind}s/{origin.repository}/repo/{listing}"
    answer = client.get(url, params={"Revision": origin.revision, **query})
    _raise_for(answer, origin.kind)
    body: dict[str, Any] = answer.json()
    if body.get("Code", 200) != 200:
        raise DataError(f"{url}: {body.get('Message', 'refused')}")
    return dict(body["Data"])


def _raise_for(answer: httpx.Response, kind: str) -> None:
    if answer.status_code == 429 or answer.status_code >= 500:
        raise Busy(f"{answer.url.host} answers {answer.status_code}")
    if answer.status_code in (401, 403):
        raise DataError(f"{answer.url}: not open to you ({answer.status_code}); ask its owner for access and log in")
    if answer.status_code == 404:
        raise DataError(f"{answer.url}: there is no such {kind} or revision (404)")
    answer.raise_for_status()


def modelscope_files(origin: Origin) -> list[Remote]:
    """The files of a repository of ModelScope, folder by folder and page by page."""
    found: list[Remote] = []
    folders = [""]
    seen: set[str] = set()
    with _client() as client:
        while folders:
            root, page = folders.pop(), 1
            while True:
                entries = again(_modelscope_get, client, origin, {"Root": root, "PageNumber": page, "PageSize": PAGE})[
                    "Files"
                ]
                # A listing of a model knows no pages, and sends all of it every time.
                entries = [entry for entry in entries if entry["Path"] not in seen]
                seen.update(entry["Path"] for entry in entries)
                for entry in entries:
                    if entry["Type"] == "tree":
                        folders.append(entry["Path"])
                    else:
                        found.append(Remote(entry["Path"], int(entry["Size"]), entry.get("Sha256") or None))
                if len(entries) < PAGE:
                    break
                page += 1
    return sorted(found, key=lambda file: file.path)


def modelscope_download(origin: Origin, file: Remote, folder: Path) -> None:
    """One file of ModelScope into ``folder``; what a cut connection had brought is kept, and the rest asked for."""
    path = folder / file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    url = f"{origin.endpoint}/api/v1/{origin.kind}s/{origin.repository}/repo"
    query = {"Revision": origin.revision, "FilePath": file.path}

    def go_on() -> None:
        there = partial.stat().st_size if partial.exists() else 0
        if there >= file.size:  # all of it, or too much: that of another revision
            if there > file.size:
                partial.unlink()
                there = 0
            elif file.size:
                return
        headers = {"Range": f"bytes={there}-"} if there else {}
        with _client() as client, client.stream("GET", url, params=query, headers=headers) as answer:
            _raise_for(answer, origin.kind)
            # A server that does not know ranges sends the whole file again.
            with partial.open("ab" if answer.status_code == 206 else "wb") as stream:
                for chunk in answer.iter_bytes(CHUNK):
                    stream.write(chunk)
        if partial.stat().st_size < file.size:
            raise Busy(f"{file.path}: the connection ended after {partial.stat().st_size:,} of {file.size:,} bytes")

    again(go_on)
    os.replace(partial, path)


def _client() -> httpx.Client:
    return httpx.Client(timeout=60, follow_redirects=True)


def again(function: Callable[..., Any], *args: Any, tries: int = TRIES) -> Any:
    """Calls ``function``, and again after a pause that grows where the network or a busy server was the fault.

    Raises:
        DataError: it failed every time.
    """
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type((Busy, httpx.TransportError, ConnectionError, TimeoutError)),
        wait=tenacity.wait_exponential(multiplier=float(os.environ.get("OSLER_RETRY_SECONDS", "1")), max=30),
        stop=tenacity.stop_after_attempt(tries),
        reraise=True,
    )
    try:
        return retrying(function, *args)
    except (Busy, httpx.HTTPError, ConnectionError, TimeoutError) as error:
        host = f"{error.request.url.host}: " if isinstance(error, httpx.RequestError) else ""
        raise DataError(f"{host}{error}; tried {tries} times. Try again later: what has arrived is kept") from error


def hub_errors(function: Callable[..., Any], *args: Any) -> Any:
    """Calls a function of the hub's library and says its errors in the user's terms."""
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        return function(*args)
    except GatedRepoError as error:
        raise DataError(
            f"{args[0].repository}: not open to you; accept its terms on its page and set HF_TOKEN"
        ) from error
    except (RepositoryNotFoundError, RevisionNotFoundError, EntryNotFoundError) as error:
        raise DataError(
            f"{args[0].repository}: there is no such {args[0].kind}, revision or file ({type(error).__name__})"
        ) from error
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        if status == 429 or status >= 500:
            raise Busy(f"{args[0].endpoint} answers {status}") from error
        if status == 404:
            raise DataError(f"{args[0].repository}: there is no such {args[0].kind}, revision or file (404)") from error
        if status in (401, 403):
            raise DataError(f"{args[0].repository}: not open to you ({status}), or not there; set HF_TOKEN") from error
        raise DataError(f"{args[0].repository}: {error}") from error
    except Exception as error:  # the library's own transport has error classes of its own
        if type(error).__name__ in TRANSPORT:
            raise Busy(f"{args[0].endpoint}: {error or type(error).__name__}") from error
        raise


TRANSPORT = {
    "ConnectError", "ConnectTimeout", "ReadTimeout", "ReadError", "RemoteProtocolError", "WriteError", "PoolTimeout",
    "ConnectionError", "ChunkedEncodingError", "LocalEntryNotFoundError", "OfflineModeIsEnabled",
}  # fmt: skip


def remote_files(origin: Origin, patterns: list[str]) -> list[Remote]:
    """The files of a dataset or a model on its hub.

    Raises:
        DataError: there is no such repository or revision, it is not open, it has none of the files, or one leads out of its folder.
    """
    files = (
        modelscope_files(origin)
        if origin.name == "modelscope"
        else again(hub_errors, hub_files, origin, tries=HUB_TRIES)
    )
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
        again(hub_errors, hub_download, origin, file, folder, tries=HUB_TRIES)


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

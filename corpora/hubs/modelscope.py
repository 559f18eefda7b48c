"""The files of a repository of ModelScope."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import httpx

from corpora.errors import DataError
from corpora.hubs.origin import Origin, Remote
from corpora.hubs.retrying import Busy, again, reach

PAGE = 200  # files of a listing
CONNECT_SECONDS = 10  # as the hub library has it
CHUNK = 2**16  # bytes; of a connection that is cut, what is less than a chunk is lost


def _get(client: httpx.Client, origin: Origin, query: dict[str, Any]) -> dict[str, Any]:
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
    """The files of a repository of ModelScope, folder by folder and page by page.

    Raises:
        Unreachable: no connection can be made.
    """
    found: list[Remote] = []
    folders = [""]
    seen: set[str] = set()
    with _client() as client:
        reach(origin.endpoint, lambda: client.head(origin.endpoint, timeout=CONNECT_SECONDS, follow_redirects=False))
        while folders:
            root, page = folders.pop(), 1
            while True:
                entries = again(_get, client, origin, {"Root": root, "PageNumber": page, "PageSize": PAGE})["Files"]
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

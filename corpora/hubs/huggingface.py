"""The files of a repository of the Hugging Face hub, by the hub's own library."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from corpora.errors import DataError
from corpora.hubs.origin import Origin, Remote
from corpora.hubs.retrying import Busy, again, reach

HUB_TRIES = 2  # each is five of the hub's own library
# Errors of the library's transport, which has classes of its own.
TRANSPORT = {
    "ConnectError", "ConnectTimeout", "ReadTimeout", "ReadError", "RemoteProtocolError", "WriteError", "PoolTimeout",
    "ConnectionError", "ChunkedEncodingError", "LocalEntryNotFoundError", "OfflineModeIsEnabled",
}  # fmt: skip


def hub_files(origin: Origin) -> list[Remote]:
    """The files of a repository of the Hugging Face hub.

    Raises:
        Unreachable: no connection can be made; HF_HUB_ETAG_TIMEOUT is the hub library's time limit for one, 10 seconds by default.
    """
    from huggingface_hub import HfApi, constants
    from huggingface_hub.hf_api import RepoFile

    api = HfApi(endpoint=origin.endpoint)
    # The library asks for a listing again and again; this request of it is made once.
    reach(
        origin.endpoint,
        lambda: api.repo_info(
            origin.repository,
            revision=origin.revision,
            repo_type=origin.kind,
            timeout=constants.HF_HUB_ETAG_TIMEOUT,
        ),
    )
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


def hub_call(function: Callable[..., Any], origin: Origin, *args: Any) -> Any:
    """Calls a function of the hub's library, and again where the network or a busy hub was the fault.

    Raises:
        DataError: it failed every time, or for good; in the user's terms.
    """
    return again(_told, function, origin, *args, tries=HUB_TRIES)


def _told(function: Callable[..., Any], origin: Origin, *args: Any) -> Any:
    """Calls the function; its errors are Busy, or DataError in the user's terms."""
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        return function(origin, *args)
    except GatedRepoError as error:
        raise DataError(
            f"{origin.repository}: not open to you; accept its terms on its page and set HF_TOKEN"
        ) from error
    except (RepositoryNotFoundError, RevisionNotFoundError, EntryNotFoundError) as error:
        raise DataError(
            f"{origin.repository}: there is no such {origin.kind}, revision or file ({type(error).__name__})"
        ) from error
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        if status == 429 or status >= 500:
            raise Busy(f"{origin.endpoint} answers {status}") from error
        if status == 404:
            raise DataError(f"{origin.repository}: there is no such {origin.kind}, revision or file (404)") from error
        if status in (401, 403):
            raise DataError(f"{origin.repository}: not open to you ({status}), or not there; set HF_TOKEN") from error
        raise DataError(f"{origin.repository}: {error}") from error
    except Exception as error:
        if type(error).__name__ in TRANSPORT:
            raise Busy(f"{origin.endpoint}: {error or type(error).__name__}") from error
        raise

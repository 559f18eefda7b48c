"""What a server says of the model behind it, and the gateway of the key that it is asked with."""

from __future__ import annotations

from dataclasses import dataclass

import httpx

from corpora.errors import OslerError

LOOKS = "x-osler-looks-for-emergencies"  # header of the gateway's list of models


@dataclass(frozen=True)
class Served:
    """What a server says of the model behind it.

    Attributes:
        name: What it is called there.
        context: Tokens of prompt and answer.
        triages: Whether the server looks for emergencies in what it is sent with this key.
    """

    name: str
    context: int | None = None
    triages: bool = False


def served(url: str, key: str | None = None) -> Served | None:
    """The first model that ``url`` (with ``/v1``) lists; None where nobody answers or the answer is no list.

    Raises:
        OslerError: the server wants a key, and this is none of its own.
    """
    headers = {"authorization": f"Bearer {key}"} if key else {}
    try:
        answer = httpx.get(f"{url.rstrip('/')}/models", headers=headers, timeout=5)
        if answer.status_code in (401, 403):
            raise OslerError(
                f"{url}: {'the key does not work' if key else 'it wants a key'}; set OSLER_API_KEY to one of its own"
            )
        first = answer.raise_for_status().json()["data"][0]
        context = int(first["max_model_len"]) if first.get("max_model_len") else None
        return Served(str(first["id"]), context, answer.headers.get(LOOKS) == "yes")
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, IndexError, TypeError):
        return None


def check_no_second_triage(url: str, found: Served | None) -> None:
    """For those who look for emergencies themselves.

    Raises:
        OslerError: the gateway would do so again, in the passages that are sent along too.
    """
    if found is not None and found.triages:
        raise OslerError(
            f"{url}: with this key the gateway looks for emergencies as well, and takes passages sent along for a person's words; give one "
            "made with `osler keys add NAME --own-triage`"
        )

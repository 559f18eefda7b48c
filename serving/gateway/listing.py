"""What vLLM serves: its models, their contexts, and the versions of their weights."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import Any

import httpx

from serving.gateway.errors import ModelDown, Refused
from serving.gateway.settings import Settings
from serving.gateway.weights import WeightVersions

LISTING_SECONDS = 10.0  # how long the list of models is believed
_MOMENT = 0.5  # in seconds: a vLLM that was started anew with other weights is asked in time for the audit's line
_MODEL_FIELDS = ("id", "object", "created", "owned_by", "max_model_len", "parent")


@dataclass(frozen=True, slots=True)
class Served:
    """A model that vLLM serves.

    Attributes:
        name: What clients call it.
        context: Its context in tokens, if vLLM tells.
        root: Where its weights came from: a path or a hub id.
        parent: The model that it adapts, where it is a LoRA adapter.
        version: Of its weights, where they lie on this machine (``serving.gateway.weights``).
        parent_version: Of the weights that it adapts.
        changed: Whether files of either have changed since they were loaded, or first seen.
    """

    name: str
    context: int | None
    root: str | None
    parent: str | None
    version: str | None = None
    parent_version: str | None = None
    changed: bool = False


class Listing:
    """The models of one vLLM, asked for again when the list is old."""

    def __init__(
        self, client: httpx.AsyncClient, settings: Settings, started: Callable[[], float] | None = None
    ) -> None:
        """``started`` as in ``WeightVersions``."""
        self._client = client
        self._settings = settings
        self._listing: list[dict[str, Any]] = []
        self._listed_at = -LISTING_SECONDS
        self._versions = WeightVersions(started)
        self._refresh: asyncio.Future[None] | None = None

    def close(self) -> None:
        """Asks no more."""
        if self._refresh is not None:
            self._refresh.cancel()

    async def _list(self) -> list[dict[str, Any]]:
        self._listed_at = time.monotonic()  # before the answer, so that one request at a time asks again
        try:
            async with asyncio.timeout(self._settings.connect_seconds):  # httpx bounds each read, and not their sum
                answer = await self._client.get("/v1/models")
            self._listing = [dict(entry) for entry in answer.raise_for_status().json()["data"]]
        except (httpx.HTTPError, TimeoutError, ValueError, KeyError, TypeError) as error:
            raise ModelDown("the model does not answer") from error
        self._versions.look(entry.get("root") for entry in self._listing)
        return self._listing

    async def _relist(self) -> None:
        with suppress(ModelDown):
            await self._list()

    async def models(self) -> dict[str, Any]:
        """What ``/v1/models`` answers: without the places where weights lie.

        While vLLM is down it is what it last listed. Chat pages let nobody write to a model that is not listed, and emergencies are
        answered without it; whether it is there, ``/health`` tells.

        Raises:
            ModelDown: vLLM does not answer, and never has.
        """
        try:
            await self._list()
        except ModelDown:
            if not self._listing:
                raise
        entries = [{name: entry[name] for name in _MODEL_FIELDS if name in entry} for entry in self._listing]
        return {"object": "list", "data": entries}

    async def served(self, name: str) -> Served:
        """The model of this name.

        Raises:
            Refused: 404 where none has it.
            ModelDown: vLLM does not answer, and never has.
        """
        known = {entry.get("id"): entry for entry in self._listing}
        stale = time.monotonic() - self._listed_at >= LISTING_SECONDS
        if not known or (stale and name not in known):
            with suppress(ModelDown) if known else nullcontext():
                await self._list()
            known = {entry.get("id"): entry for entry in self._listing}
        elif stale:  # a model that hangs is waited for a moment, and the old list believed: the answer itself will tell
            if self._refresh is None or self._refresh.done():
                self._refresh = asyncio.ensure_future(self._relist())
            await asyncio.wait({self._refresh}, timeout=_MOMENT)
            known = {entry.get("id"): entry for entry in self._listing}
        if name in known:
            entry = known[name]
            parent = known.get(entry.get("parent"), {})
            roots = entry.get("root"), parent.get("root")
            version, of_parent = map(self._versions.of, roots)
            changed = any(map(self._versions.changed, roots))
            context = entry.get("max_model_len") or parent.get("max_model_len")
            return Served(name, context, entry.get("root"), entry.get("parent"), version, of_parent, changed)
        raise Refused(404, "no model of this name is served; /v1/models lists the names", "model_not_found", "model")

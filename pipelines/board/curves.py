"""The figures of a run as it logs them: what each stage wrote for TensorBoard, read while it is being written."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipelines.artifact import MANIFEST

MOST_POINTS = 600  # of a curve that is drawn
Points = list[tuple[int, float]]  # step and value

_readers: dict[Path, Any] = {}
_reading = threading.Lock()


def trained_stages(run: Path) -> list[str]:
    """Stages of a run that have logged figures, the latest to begin last."""
    folders = [path for path in (run / "tensorboard").glob("*") if any(path.glob("events.*"))]
    return [path.name for path in sorted(folders, key=lambda path: min(map(_begun, path.glob("events.*"))))]


def _begun(events: Path) -> float:
    """When a file of events was begun: TensorBoard writes it into its name (``events.out.tfevents.SECONDS.…``), which a copy keeps."""
    seconds = next((part for part in events.name.split(".") if part.isdigit()), None)
    return float(seconds) if seconds is not None else events.stat().st_mtime


def curves(run: Path, stage: str) -> dict[str, Points]:
    """Each figure of a stage by name (``loss``, ``learning_rate``, ``tokens_per_second``, …).

    A stage that went on from a checkpoint logs steps again: the later figure counts. A curve of more than ``MOST_POINTS`` is thinned.
    """
    folder = run / "tensorboard" / stage
    if not folder.is_dir():
        return {}
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

    with _reading:  # a reader goes on from where it was, and two threads would take its lines from one another
        reader = _readers.get(folder)
        if reader is None:
            reader = _readers[folder] = EventAccumulator(
                str(folder), size_guidance={"scalars": 0}, purge_orphaned_data=False
            )
        reader.Reload()
        found = {
            tag.removeprefix("train/"): [(event.wall_time, event.step, event.value) for event in reader.Scalars(tag)]
            for tag in reader.Tags()["scalars"]
        }
    return {name: thinned(newest(sorted(events))) for name, events in found.items()}


def newest(events: Iterable[tuple[float, int, float]]) -> Points:
    """Events (time, step, value) in order of time as points in order of steps: where steps begin again, what was after them goes."""
    points: Points = []
    for _, step, value in events:
        while points and points[-1][0] >= step:
            points.pop()
        if math.isfinite(value):
            points.append((step, value))
    return points


def thinned(points: Points, most: int = MOST_POINTS) -> Points:
    """At most about ``most`` of the points, evenly taken, the last among them."""
    if len(points) <= most:
        return points
    apart = math.ceil(len(points) / most)
    return [*points[:-1:apart], points[-1]]


def is_done(run: Path, stage: str) -> bool:
    """Whether a stage has ended well."""
    return (run / stage / MANIFEST).is_file()

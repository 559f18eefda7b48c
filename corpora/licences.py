"""What may be done with a model that was made from several datasets: as much as the strictest of their licences allows."""

from __future__ import annotations

from collections.abc import Iterable

from corpora.catalog import Dataset, find_dataset, load_catalog


def strictest(names: Iterable[str]) -> dict[str, tuple[str, list[str]]]:
    """For "commercial" and "share_alike" the answer for a mix, and the datasets that it comes from.

    One "no" forbids commercial use of the whole, one "yes" to share-alike binds the whole; short of that, one licence that is
    not known leaves it unknown. Names that are not in the catalogue are passed over: their licences are the user's to know.
    """
    entries = {name: find_dataset(name) for name in dict.fromkeys(names) if name in load_catalog()}
    found: dict[str, tuple[str, list[str]]] = {}
    for field, strict, mild in (("commercial", "no", "yes"), ("share_alike", "yes", "no")):
        answers: dict[str, list[str]] = {}
        for name, entry in entries.items():
            answers.setdefault(getattr(entry, field), []).append(name)
        decided = next((answer for answer in (strict, "unknown") if answer in answers), mild)
        found[field] = (decided, answers.get(decided, []))
    return found


def consequence(names: Iterable[str]) -> list[str]:
    """Sentences for people on what the result of a mix may be used for; none where the catalogue knows none of the datasets."""
    known = [name for name in dict.fromkeys(names) if name in load_catalog()]
    if not known:
        return []
    found = strictest(known)
    said = {
        ("commercial", "no"): "not for commercial use, because of",
        ("commercial", "unknown"): "commercial use is not settled, because of",
        ("commercial", "yes"): "commercial use is allowed by the licences of",
        ("share_alike", "yes"): "share-alike: what is made from it carries the same licence, because of",
        ("share_alike", "unknown"): "whether it must be shared alike is not settled, because of",
    }
    return [
        f"{said[field, answer]} {', '.join(_licensed(name, find_dataset(name)) for name in because)}"
        for field, (answer, because) in found.items()
        if (field, answer) in said
    ]


def _licensed(name: str, entry: Dataset) -> str:
    return f"{name} ({entry.licence})"

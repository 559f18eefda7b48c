"""Says which language a record is in, and leaves out those in other languages than are wanted.

By py3langid (97 languages by their byte n-grams, after Lui and Baldwin 2012, https://aclanthology.org/P12-3005/): its model is inside the
package, where fastText's, which datatrove's filter uses, has to be downloaded. A text is left out only when the identifier is sure of another
language: of "Metformin 500 mg" nobody can tell, and it stays. One record at a time; no corpus is held.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from corpora.adapters.documents import script
from corpora.curate.waterfall import Step, counted
from corpora.errors import DataError
from corpora.records import Document, Record, text_of

READ = 4000  # characters of a text that are looked at, from its beginning
# Latin names of diseases, drugs and organisms are English here, and not Latin; an artificial language is not met.
NEVER = {"la", "eo", "vo", "ia", "ie"}


class Languages(BaseModel):
    """Which languages are kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: ClassVar = "language"

    keep: list[str] = Field(default=["en", "zh"], min_length=1)  # ISO 639-1
    min_confidence: float = Field(default=0.75, gt=0, le=1)  # below it the text stays, in the language of its script


@functools.cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    found = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    # Languages of two letters only: among the others are Chinese and English ones by another name (Wu, Nigerian Pidgin).
    found.set_languages([label for label in found.labels if len(label) == 2 and label not in NEVER])
    return found


def identified(text: str) -> tuple[str, float]:
    """The language of a text as an ISO 639-1 code, and how sure that is, from 0 to 1."""
    language, confidence = _identifier().classify(text[:READ])
    return str(language), float(confidence)


def in_languages(records: Iterable[Record], what: Languages, step: Step) -> Iterator[Record]:
    """The records in the wanted languages; a document is told its own.

    Raises:
        DataError: a wanted language is none that can be told.
    """
    unknown = sorted(set(what.keep) - set(_identifier().labels))
    if unknown:
        raise DataError(
            f"language: '{unknown[0]}' is none of the languages that can be told: {', '.join(sorted(_identifier().labels))}"
        )
    for record in counted(records, step):
        text = text_of(record)
        language, confidence = identified(text)
        if confidence < what.min_confidence:
            language = script(text)
        elif language not in what.keep:
            step.dropped[f"in another language: {language}"] += 1
            continue
        if isinstance(record, Document) and record.language != language:
            step.changed += 1
            record = record.model_copy(update={"language": language})
        step.kept += 1
        yield record

"""Words that tell a name from other capitalised words in English text: the lists of ``data/english_cues.yaml``."""

from __future__ import annotations

from typing import Final

import yaml

from corpora.curate.identifiers.found import DATA

_LISTS = yaml.safe_load((DATA / "english_cues.yaml").read_text(encoding="utf-8"))


def _words(name: str) -> frozenset[str]:
    return frozenset(word.strip() for word in _LISTS[name].split(","))


TITLES: Final = _words("titles")  # A name follows: "Dr. Okafor".
OPENINGS: Final = _words("openings")  # Words that open a letter or a greeting: "Dear Grace".
LABELS: Final = _words("labels")  # A name follows the colon: "Attending: Okafor".
GREETINGS: Final = _words("greetings")  # A name follows on the same line or the next: "Sincerely, Okafor", "Hi Okafor".
PEOPLE: Final = _words("people")  # A name follows: "her daughter Okafor".
DONE_BY: Final = _words("done_by")  # A name follows "by" after these: "seen by Okafor".
BEFORE: Final = _words("before")  # A name follows: "discussed with Okafor".
MAYBE_BEFORE: Final = _words("maybe_before")  # A name may follow, and other things: "with Okafor", "with Lasix".
# What people do, and what is done to them alone: "Okafor denies", "Okafor was admitted".
VERBS: Final = _words("verbs")
MAYBE_VERBS: Final = _words("maybe_verbs")  # What other things do too; they speak for a first name only.
EPONYMIC: Final = _words("eponymic")  # What is called after people: "Okafor disease".
NOUNS: Final = _words("nouns")  # Titles that are common nouns too: an English word after them is none.
MONTHS: Final = _words("months")  # Months and days of the week.
COUNTRIES: Final = _words("countries")  # Countries, states, peoples and faiths, which are no identifiers.
# Words of forms and headings, and those that begin sentences; no names though the lists have them.
NEVER: Final = _words("never")
# First names that are English words too, and hardly ever such a word with a capital in the midst of a sentence.
SURE: Final = _words("sure")

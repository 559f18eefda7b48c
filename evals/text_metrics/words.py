"""The words of a text that carry meaning."""

from __future__ import annotations

from corpora.curate.units import units

# Words without content of their own. Chinese is compared by characters, so there these are characters.
_SMALL_ENGLISH = (
    "a an the and or but if then than so as of in on at by for from with without into to up out is are was were be been being am do "
    "does did has have had can could may might must shall should will would it its this that these those there here he she they them "
    "their his her you your we our i who which what when where how why not no such also any all each every both some more most other "
    "same very only about"
)
SMALL = frozenset(_SMALL_ENGLISH.split()) | frozenset(
    "的了在是和与及或对于为以其者也而且并就都等这那有可应该被将由从到中上下不"
)


def content(text: str) -> list[str]:
    """The text's units that carry meaning."""
    return [unit for unit in units(text) if unit not in SMALL]

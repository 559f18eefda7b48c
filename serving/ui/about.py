"""What the page says of the model that it talks to."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from serving.ui.texts import Language, words

SMALL = 300_000_000  # parameters below which a model is called a demonstration


@dataclass(frozen=True)
class About:
    """A model in words.

    Attributes:
        name: What people call it.
        trained_on: What it learnt from, in English; empty where nobody knows.
        parameters: How many; 0 where nobody knows.
    """

    name: str
    trained_on: str = ""
    parameters: int = 0

    def line(self, language: Language) -> str:
        """The standing line, as HTML."""
        count = f"{self.parameters / 1e6:,.1f}" if language == "en" else f"{self.parameters / 1e4:,.0f}"
        size = words("size", language, count=count) if self.parameters else ""
        said = [escape(words("model", language, name=self.name + size))]
        if 0 < self.parameters < SMALL:
            said.append(f"<strong>{words('small', language)}</strong>")
        if self.trained_on:
            said.append(words("trained_on", language, what=f'<span lang="en">{escape(self.trained_on)}</span>'))
        else:
            said.append(words("unknown_training", language))
        return " ".join(said)

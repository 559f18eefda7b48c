"""What a stage may read: the recipe's seed, its corpora, and the models of the base and of earlier stages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipelines.config import Recipe, resolve_model
from pipelines.data import Sources
from pipelines.model_sources import allowing, identity


@dataclass(frozen=True)
class Inputs:
    """The recipe and what its earlier stages left."""

    recipe: Recipe
    sources: Sources
    processes: int = 1  # in which the stage at hand runs

    @property
    def seed(self) -> int:
        """The recipe's."""
        return self.recipe.seed

    def model(self, name: str) -> str:
        """Where the weights called ``name`` are: the base model, a stage's output, or a path."""
        artifacts = self.sources.artifacts
        if name in artifacts:
            return str(artifacts[name].model)
        if name == "base":
            assert self.recipe.base_model is not None
            name = self.recipe.base_model
        with allowing(self.recipe.allow):
            return resolve_model(name)

    def identity(self, name: str) -> str:
        """What a stage that reads the model called ``name`` depends on."""
        if name in self.sources.artifacts:
            return self.sources.artifacts[name].output
        return identity(Path(self.model(name)))

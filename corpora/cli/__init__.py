"""The commands ``osler corpora …``. Importing a module registers its commands, in the order in which ``--help`` lists them."""

from corpora.cli import catalogue, curation
from corpora.cli.options import app

__all__ = ["app", "catalogue", "curation"]

"""Finders of identifying pieces of text, one file a subject; ``corpora.curate.deidentify`` puts them together."""

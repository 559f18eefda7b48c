"""The medical knowledge written for this project, and the texts that are rendered from it."""

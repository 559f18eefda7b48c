"""How near an answer's text is to what it should say, by its words, its quantities or its tokens' embeddings."""

"""The board: recipes, runs and their results in the browser, without code. Whatever it does, a command of ``osler`` does."""

"""How the model is made: recipes, stages, artifacts and the command ``osler``."""

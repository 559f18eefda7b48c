"""Commands that show recipes: recipe list, recipe show."""

from __future__ import annotations

import typer
from rich.table import Table

from pipelines.cli.options import RECIPE, RecipeArgument, app, out

recipe_app = typer.Typer(
    help="See the bundled recipes, and what a recipe is with all that it extends.", no_args_is_help=True
)
app.add_typer(recipe_app, name="recipe")


@recipe_app.command("list")
def list_recipes() -> None:
    """List the bundled recipes.

    Example: `osler recipe list`
    """
    from pipelines.bundled import recipe_names
    from pipelines.config import load_layers, recipe_path

    shown = Table(box=None, header_style="bold", pad_edge=False)
    shown.add_column("name", no_wrap=True)
    shown.add_column("base model")
    shown.add_column("description")
    for name in recipe_names():
        # Read and not checked, which takes TRL's classes: the bundled ones are checked by their tests.
        recipe = load_layers(recipe_path(name)).values
        shown.add_row(name, recipe.get("base_model") or "", recipe.get("description", ""))
    out.print(shown)


@recipe_app.command()
def show(recipe: RecipeArgument = RECIPE) -> None:
    """Print a RECIPE with all that it extends, and where each value comes from.

    What is printed is a recipe itself: `osler recipe show NAME > mine.yaml` is a copy that extends nothing.

    Example: `osler recipe show qwen3-8b/8x80gb-full`
    """
    from pipelines.config import annotated, load_layers, load_recipe, recipe_path

    load_recipe(recipe)  # a recipe that cannot be run is refused, with the remedy
    print(annotated(load_layers(recipe_path(recipe))), end="")

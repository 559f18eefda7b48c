"""A recipe's file and the files that it extends, as one mapping that knows where each value came from.

``extends: FILE`` at the top of a recipe names another one, by a path from the file's own folder or by a bundled recipe's name.
Mappings are merged key by key, at any depth; any other value, lists among them, replaces the extended one's, and so does a mapping of
another kind (a stage's ``kind``, a scorer's ``by``), which has keys of its own. A stage that is set to null is left out. The name is never inherited: two recipes with one name would share a run folder. Files and
folders whose names begin with "_" hold what several recipes share, and are no recipes themselves.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from corpora.errors import DataError, nearest
from corpora.files import yaml_file
from corpora.files.yaml_file import read_yaml
from pipelines.bundled import RECIPES, recipe_names
from pipelines.config.parts import RecipeError

LOADER: Any = type("RecipeLoader", (yaml_file.LOADER,), {})
# PyYAML reads YAML 1.1, to which 1e-4 is a word, as it has no point; YAML 1.2 and whoever writes a learning rate take it for a number.
LOADER.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"[-+]?\d+[eE][-+]?\d{1,2}$"), list("-+0123456789"))


def recipe_path(name: str, beside: Path = Path()) -> Path:
    """The file of a recipe given by path, from the folder ``beside``, or by the name of a bundled one.

    Raises:
        RecipeError: there is none; the message offers the nearest bundled one.
    """
    if name.endswith((".yaml", ".yml")):
        given = Path(os.path.normpath(beside / Path(name).expanduser()))  # ``a/../b`` is shown as ``b``
        if not given.is_file():
            raise RecipeError(f"{given}: {'a folder, and no recipe file' if given.is_dir() else 'no such recipe file'}")
        return given
    bundled = RECIPES / f"{name}.yaml"
    if not bundled.is_file():
        if (beside / Path(name).expanduser()).is_file():
            raise RecipeError(f"{name}: a file, but no recipe by its name, which ends in .yaml")
        raise RecipeError(
            f"no recipe is called '{name}'; {nearest(name, recipe_names(), '`osler recipe list` shows those that there are; a file ends in .yaml')}"
        )
    return bundled


@dataclass(frozen=True)
class Leaf:
    """A value that is not a mapping, or is an empty one, and where it was set."""

    value: Any
    path: Path
    line: int


Tree = dict[Any, Any]  # a mapping of a recipe: from keys to trees and leaves


def _values(tree: Any) -> Any:
    """The tree without its places."""
    return tree.value if isinstance(tree, Leaf) else {key: _values(part) for key, part in tree.items()}


def _leaves(tree: Any) -> list[Leaf]:
    return [tree] if isinstance(tree, Leaf) else [leaf for part in tree.values() for leaf in _leaves(part)]


@dataclass(frozen=True)
class Layers:
    """A recipe's file merged with what it extends."""

    path: Path  # the recipe's own file
    tree: Tree

    @property
    def values(self) -> dict[str, Any]:
        """The merged mapping."""
        return {str(key): _values(part) for key, part in self.tree.items()}

    def file(self, *place: Any) -> Path:
        """The file that set the value at ``place``, or, where nothing is set there, what is nearest to it; for errors."""
        part: Any = self.tree
        for key in place:
            if not isinstance(part, dict) or key not in part:
                break
            part = part[key]
        files = [leaf.path for leaf in _leaves(part)]
        # Of a mapping whose values are of several files, the recipe's own is where it is mended.
        return self.path if self.path in files or not files else files[-1]


def _nodes(node: yaml.MappingNode) -> dict[str, yaml.Node]:
    """The nodes of a mapping's values by key; those that come by ``<<: *anchor`` give way to its own."""
    found: dict[str, yaml.Node] = {}
    own = {key.value: value for key, value in node.value if key.tag != "tag:yaml.org,2002:merge"}
    for key, value in node.value:
        if key.tag == "tag:yaml.org,2002:merge":
            for part in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                found = {**_nodes(part), **found}
    return {**found, **own}


def _tree(value: Any, node: yaml.Node, path: Path) -> Any:
    if isinstance(value, dict) and value and isinstance(node, yaml.MappingNode):
        nodes = _nodes(node)
        # A key that YAML does not read as a word (``1``, ``true``) is no key of a recipe, but has a place all the same.
        return {key: _tree(part, nodes.get(str(key), node), path) for key, part in value.items()}
    return Leaf(value, path, node.start_mark.line + 1)


def _read(path: Path) -> Tree:
    try:
        values, node = read_yaml(path, LOADER)
    except DataError as error:
        raise RecipeError(str(error)) from error
    if not isinstance(values, dict) or not values or node is None:
        raise RecipeError(f"{path}: a recipe is a mapping of keys, as name: and stages:")
    found: Tree = _tree(values, node, path)
    return found


def _of_another_kind(below: Tree, above: Tree) -> bool:
    """Whether the two mappings say of themselves that they are of different kinds."""
    said = [(below.get(key), above.get(key)) for key in ("kind", "by")]
    return any(isinstance(a, Leaf) and isinstance(b, Leaf) and a.value != b.value for a, b in said)


def _merged(below: Any, above: Any) -> Any:
    if isinstance(below, dict) and isinstance(above, dict):
        if _of_another_kind(below, above):
            return above
        return {
            **below,
            **{key: _merged(below[key], part) if key in below else part for key, part in above.items()},
        }
    return below if isinstance(below, dict) and above.value == {} else above


def _stacked(path: Path, above: tuple[Path, ...]) -> Tree:
    """The merged tree of the file at ``path``, which those of ``above`` extend."""
    if path.resolve() in [one.resolve() for one in above]:
        circle = " extends ".join(_short(one) for one in (*above, path))
        raise RecipeError(f"{above[-1]}: extends: the files extend each other in a circle: {circle}")
    tree = _read(path)
    extends = tree.pop("extends", None)
    if extends is None:
        return tree
    place = f"{path}, line {extends.line}: extends" if isinstance(extends, Leaf) else f"{path}: extends"
    if not isinstance(extends, Leaf) or not isinstance(extends.value, str):
        raise RecipeError(f"{place}: one path of a recipe's file, or one name of a bundled recipe")
    try:
        base = recipe_path(extends.value, path.parent)
    except RecipeError as error:
        raise RecipeError(f"{place}: {error}") from error
    merged: Tree = _merged(_stacked(base, (*above, path)), tree)
    return merged


def load_layers(path: Path) -> Layers:
    """The recipe at ``path`` with everything that it extends.

    Raises:
        RecipeError: a file is missing, not YAML, or extends itself; or a recipe that extends another has no name of its own.
    """
    tree = _stacked(path, ())
    name = tree.get("name")
    if isinstance(name, Leaf) and name.path != path:
        raise RecipeError(
            f"{path}: name: a recipe that extends another one has a name of its own, and with it a run folder"
        )
    stages = tree.get("stages")
    if isinstance(stages, dict):
        left_out = [key for key, stage in stages.items() if isinstance(stage, Leaf) and stage.value is None]
        tree["stages"] = {key: stage for key, stage in stages.items() if key not in left_out}
    return Layers(path, tree)


def _short(path: Path) -> str:
    return path.relative_to(RECIPES).as_posix() if path.is_relative_to(RECIPES) else str(path)


def _yaml(value: Any, **style: Any) -> str:
    text: str = yaml.safe_dump(value, allow_unicode=True, sort_keys=False, **style)
    return text.removesuffix("...\n")  # the end of a document that is one word


def annotated(layers: Layers) -> str:
    """The merged recipe as YAML, the file and the line that each value came from in a comment behind it."""

    def told(tree: Tree, indent: str) -> Iterator[str]:
        for key, part in tree.items():
            head = f"{indent}{_yaml(key).strip()}:"
            if isinstance(part, dict):
                yield head
                yield from told(part, indent + "  ")
                continue
            comment = f"  # {_short(part.path)}:{part.line}"
            if isinstance(part.value, list) and part.value:
                yield head + comment
                yield from (f"{indent}  {line}" for line in _yaml(part.value, width=100).splitlines())
            else:
                yield f"{head} {_yaml(part.value, default_flow_style=True, width=10**6).strip()}{comment}"

    return "\n".join(told(layers.tree, "")) + "\n"

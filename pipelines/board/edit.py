"""One value of a YAML text is changed, and not a byte beside it: comments, order and layout stay as a person wrote them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import yaml

from pipelines.config import RecipeError

MOST_NODES = 100_000  # of a recipe with its aliases written out; a small text can stand for more than a machine holds

Place = Sequence[str]


def flow(value: Any) -> str:
    """A value as YAML on one line."""
    text: str = yaml.safe_dump(value, allow_unicode=True, sort_keys=False, default_flow_style=True, width=10**6)
    return text.removesuffix("\n").removesuffix("\n...").strip()


def parsed(text: str) -> dict[str, Any]:
    """The mapping that a recipe's text is.

    Raises:
        RecipeError: it is no YAML, no mapping, or larger than a recipe can be once its aliases are written out.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is not None and _size(node, {}) > MOST_NODES:
            raise RecipeError(
                "the text stands for more than 100,000 values through its aliases (*name); write them out"
            )
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"not valid YAML: {error}") from error
    except RecursionError as error:
        raise RecipeError("not valid YAML for a recipe: it is nested too deeply") from error
    if not isinstance(values, dict) or not values:
        raise RecipeError("a recipe is a mapping of keys, as name: and stages:")
    return values


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """Values of a node with its aliases written out."""
    if id(node) in known:
        return known[id(node)]
    known[id(node)] = MOST_NODES + 1  # of a node that holds itself
    parts: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        parts = [one for pair in node.value for one in pair]
    elif isinstance(node, yaml.SequenceNode):
        parts = list(node.value)
    known[id(node)] = 1 + sum(_size(part, known) for part in parts)
    return known[id(node)]


def value_at(values: Any, place: Place) -> Any:
    """The value at ``place`` of a mapping, or None."""
    for key in place:
        if not isinstance(values, dict):
            return None
        values = values.get(key)
    return values


def set_value(text: str, place: Place, value: Any) -> str:
    """The text with ``value`` at ``place``; keys that are missing are added behind their neighbours.

    Raises:
        RecipeError: the text is no recipe, or the value stands in an anchor or alias, which is for the text's author to change.
    """
    before = parsed(text)
    if value_at(before, place) == value and value is not None:
        return text
    changed = _changed(text, place, value)
    if parsed(changed) != _expected(before, place, value):
        raise RecipeError(
            f"{'.'.join(place)} is shared with another place by an anchor or alias; change it in the text"
        )
    return changed


def _expected(values: dict[str, Any], place: Place, value: Any) -> dict[str, Any]:
    """The mapping with ``value`` at ``place`` alone: places that shared a value by an alias share it no longer."""
    found: dict[str, Any] = copy.deepcopy(yaml.safe_load(yaml.dump(values, Dumper=_NoAlias)))
    part = found
    for key in place[:-1]:
        if not isinstance(part.get(key), dict):
            part[key] = {}
        part = part[key]
    part[place[-1]] = value
    return found


class _NoAlias(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        """Writes shared values out."""
        return True


def _changed(text: str, place: Place, value: Any) -> str:
    mapping = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(mapping, yaml.MappingNode)
    for depth, key in enumerate(place):
        pair = next((pair for pair in mapping.value if pair[0].value == key), None)
        rest = place[depth + 1 :]
        if pair is None:
            return _inserted(text, mapping, key, _nested(rest, value))
        if not rest or not isinstance(pair[1], yaml.MappingNode) or _is_alias(pair):
            return _replaced(text, pair, _nested(rest, value))
        mapping = pair[1]
    raise AssertionError("a place has a key")


def _nested(keys: Place, value: Any) -> Any:
    for key in reversed(keys):
        value = {key: value}
    return value


def _is_alias(pair: tuple[yaml.Node, yaml.Node]) -> bool:
    """Whether the value is written elsewhere, in front of its key."""
    return bool(pair[1].start_mark.index < pair[0].end_mark.index)


def _end(text: str, pair: tuple[yaml.Node, yaml.Node]) -> int:
    """The place behind the last letter of a pair, before what follows on its line."""
    key, node = pair
    if _is_alias(pair):
        colon = text.index(":", key.end_mark.index)
        return colon + 1 + len(text[colon + 1 :].split("\n", 1)[0].split(" #")[0].rstrip())
    if not isinstance(node, yaml.CollectionNode) or node.flow_style:
        return (
            len(text[: node.end_mark.index].rstrip())
            if node.start_mark.index < node.end_mark.index
            else node.end_mark.index
        )
    if isinstance(node, yaml.MappingNode):
        return _end(text, node.value[-1])
    last = node.value[-1]
    return _end(text, (yaml.ScalarNode("", "", last.start_mark, last.start_mark), last))


def _replaced(text: str, pair: tuple[yaml.Node, yaml.Node], value: Any) -> str:
    colon = text.index(":", pair[0].end_mark.index)
    written = flow(value)
    return f"{text[: colon + 1]} {written}{text[max(colon + 1, _end(text, pair)) :]}"


def _inserted(text: str, mapping: yaml.MappingNode, key: str, value: Any) -> str:
    if mapping.flow_style or not mapping.value:
        closing = mapping.end_mark.index - 1
        before = text[:closing].rstrip()
        return f"{before}{'' if before.endswith('{') else ', '}{key}: {flow(value)}{text[closing:]}"
    end = _end(text, mapping.value[-1])
    line_end = text.find("\n", end)
    line_end = len(text) if line_end < 0 else line_end
    indent = " " * mapping.value[0][0].start_mark.column
    return f"{text[:line_end]}\n{indent}{key}: {flow(value)}{text[line_end:]}"

"""A YAML file that a person wrote, with the mistakes that PyYAML lets pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from corpora.disk import check_file
from corpora.errors import DataError

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's, where it is there, is ten times as fast


def read_yaml(path: Path, loader: Any = LOADER) -> tuple[Any, yaml.Node | None]:
    """What a file says, and its tree, which knows the line of each part; of an empty file both are None.

    Raises:
        DataError: there is no such file, it is not text in UTF-8 or not YAML, or a mapping has a key twice, of which YAML would keep the last.
    """
    check_file(path)
    try:
        reader = loader(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: byte {error.start + 1} is no text in UTF-8; save the file in that encoding"
        ) from error
    except (OSError, yaml.reader.ReaderError) as error:
        raise DataError(f"{path}: cannot be read as text: {error}") from error
    try:
        node = reader.get_single_node()
        _refuse_twice(path, node, set())
        return (None if node is None else reader.construct_document(node)), node
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        raise DataError(f"{path}{place}: not valid YAML: {error.problem or error.context}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # as a date of the 45th of May
        raise DataError(f"{path}: not valid YAML: {error}") from error
    finally:
        reader.dispose()


def _refuse_twice(path: Path, node: yaml.Node | None, seen: set[int]) -> None:
    if id(node) in seen:  # an anchor's, which many may point to
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for part in node.value:
            _refuse_twice(path, part, seen)
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, part in node.value:
            line = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode):
                if key.value in lines:
                    raise DataError(
                        f"{path}, line {line}: the key '{key.value}' stands in line {lines[key.value]} already; leave one out, or give it another name"
                    )
                lines[key.value] = line
            _refuse_twice(path, part, seen)

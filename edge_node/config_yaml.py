"""YAML as plain data plus the line of every key, with what YAML itself would let pass refused."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Hashable

KeyPath = tuple[str | int, ...]

# Deep enough for any sensible file, shallow enough that an alias to its own parent ends.
_MAX_DEPTH = 12


class Document:
    """Plain data of one YAML file, and where each part of it stands."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data: Any = None
        self.problems: list[str] = []
        self._lines: dict[KeyPath, int] = {(): 1}

    def problem(self, path: KeyPath, text: str) -> str:
        """A sentence with file, line and key for what is wrong at `path`."""
        known = path
        while known not in self._lines:
            known = known[:-1]
        key = describe_path(path)
        return f"{self.path}, line {self._lines[known]}{', ' + key if key else ''}: {text}"

    def report(self, path: KeyPath, text: str) -> None:
        """Note a problem."""
        sentence = self.problem(path, text)
        if sentence not in self.problems:
            self.problems.append(sentence)

    def line(self, path: KeyPath) -> int:
        """The line where `path` stands; 1 for what does not stand in the file."""
        return self._lines.get(path, 1)

    def place(self, path: KeyPath, line: int) -> None:
        """Remember the line of `path`."""
        self._lines[path] = line


def describe_path(path: KeyPath) -> str:
    """`channels[2].unit` for ("channels", 2, "unit")."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def read(path: Path) -> Document:
    """The document in `path`; whatever is wrong with it stands in its `problems`."""
    document = Document(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        document.problems.append(
            f"{path}: there is no such file; `smart-beer-edge init` makes one."
        )
        return document
    except (OSError, UnicodeDecodeError) as err:
        document.problems.append(f"{path}: cannot be read as UTF-8 text: {err}.")
        return document
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
    except yaml.YAMLError as err:
        mark = getattr(err, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        why = getattr(err, "problem", None) or str(err).replace("\n", " ")
        document.problems.append(f"{path}{where}: is not YAML: {why}.")
        return document
    if node is None:
        document.problems.append(
            f"{path}, line 1: the file is empty; it must at least name the node."
        )
        return document
    document.data = _plain(document, loader, node, ())
    return document


def _plain(document: Document, loader: yaml.SafeLoader, node: yaml.Node, path: KeyPath) -> object:
    """Data of one YAML node, its lines noted."""
    if len(path) > _MAX_DEPTH:
        document.report(path[:2], "is nested too deeply.")
        return None
    if isinstance(node, yaml.MappingNode):
        return _mapping(document, loader, node, path)
    if isinstance(node, yaml.SequenceNode):
        items = []
        for index, item in enumerate(node.value):
            document.place((*path, index), item.start_mark.line + 1)
            items.append(_plain(document, loader, item, (*path, index)))
        return items
    try:
        value = loader.construct_object(node)
    except (yaml.YAMLError, ValueError) as err:
        document.report(path, f"cannot be read: {str(err).splitlines()[0]}.")
        return None
    if isinstance(value, int) and abs(value) >= 2**63:
        document.report(path, "is a number too large to be meant.")
        return None
    if isinstance(value, float) and not math.isfinite(value):
        document.report(path, f"must be a finite number, not {node.value}.")
        return None
    return value


def _mapping(
    document: Document, loader: yaml.SafeLoader, node: yaml.MappingNode, path: KeyPath
) -> dict[str, Any]:
    """A mapping with text keys; a key given twice is a problem, and the first one counts."""
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        key: Hashable = key_node.value
        if not isinstance(key_node, yaml.ScalarNode) or not isinstance(key, str):
            document.place((*path, "?"), line)
            document.report((*path, "?"), "a key must be a plain word.")
            continue
        here = (*path, key)
        if key in result:
            first = document.line(here)
            document.problems.append(
                f"{document.path}, line {line}, {describe_path(here)}: is given twice; "
                f"the first time on line {first}."
            )
            continue
        document.place(here, line)
        result[key] = _plain(document, loader, value_node, here)
    return result

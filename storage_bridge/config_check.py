"""A YAML file read part by part; everything wrong with it is collected, each with its line."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import yaml


class Check:
    """Hands out what a file holds; `problems` are sentences about what cannot be used.

    Keys are written with dots. What is wrong is answered with a stand-in, so that the rest can
    be checked too; no value is ever repeated in a sentence, it may be a secret.
    """

    def __init__(self, path: Path, root: yaml.Node | None) -> None:
        self.path = path
        self.problems: list[str] = []
        self._lines: dict[str, int] = {}
        if root is not None:
            self._index(root, "")

    def section(self, data: object, key: str, known: Collection[str]) -> Mapping[str, Any]:
        """A mapping with no other keys than these."""
        if not isinstance(data, dict):
            self.wrong(key, f"must be a mapping with {', '.join(sorted(known))}")
            return {}
        for name in data:
            if name not in known:
                self.wrong(
                    f"{key}.{name}".removeprefix("."),
                    f"is not known here; known are {', '.join(sorted(known))}",
                )
        return data

    def file(self, value: object, key: str) -> Path:
        """A path, counted from the file's own folder."""
        if not isinstance(value, str) or not value or "\0" in value:
            self.wrong(key, "must be a path")
            return Path()
        return self.path.parent / Path(value).expanduser()

    def optional_file(self, section: Mapping[str, Any], key: str, name: str) -> Path | None:
        """A path, or None where there is none."""
        value = section.get(name)
        return None if value is None else self.file(value, f"{key}.{name}")

    def text(self, section: Mapping[str, Any], key: str, name: str, default: str) -> str:
        """A text that is not empty."""
        value = section.get(name, default)
        if not isinstance(value, str) or not value or "\0" in value:
            self.wrong(f"{key}.{name}", "must be a text")
            return default
        return value

    def optional_text(self, section: Mapping[str, Any], key: str, name: str) -> str | None:
        """A text that is not empty, or None where there is none."""
        return None if section.get(name) is None else self.text(section, key, name, "")

    def choice[T: str](
        self, section: Mapping[str, Any], key: str, name: str, choices: Collection[T], default: T
    ) -> T:
        """One of these words."""
        value = section.get(name, default)
        found = next((choice for choice in choices if choice == value), None)
        if found is None:
            self.wrong(f"{key}.{name}", f"must be {' or '.join(choices)}")
            return default
        return found

    def number(
        self, section: Mapping[str, Any], key: str, name: str, *, low: int, high: int, default: int
    ) -> int:
        """A whole number in a range."""
        value = section.get(name, default)
        if type(value) is not int or not low <= value <= high:
            self.wrong(f"{key}.{name}", f"must be a whole number from {low} to {high}")
            return default
        return value

    def wrong(self, key: str, text: str) -> None:
        """Note a problem with a key; `text` goes on after its name."""
        line = self._lines.get(key) or self._lines.get(key.rpartition(".")[0]) or 1
        self.problems.append(f"{self.path}, line {line}: {key or 'the file'} {text}.")

    def _index(self, node: yaml.Node, prefix: str) -> None:
        if not isinstance(node, yaml.MappingNode):
            return
        for key, value in node.value:
            name = f"{prefix}.{key.value}".removeprefix(".")
            if name in self._lines:
                self.problems.append(
                    f"{self.path}, line {key.start_mark.line + 1}: {name} is given twice."
                )
            self._lines[name] = key.start_mark.line + 1
            self._index(value, name)

"""The parts of a configuration file as plain data, as far as they are of the right type."""

from collections.abc import Iterator
from typing import Any

from edge_node.config_yaml import KeyPath

Items = list[tuple[KeyPath, dict[str, Any]]]


def mappings(data: dict[str, Any], key: str) -> Items:
    """The mappings of the list under `key`, and where they stand."""
    items = data.get(key)
    listed = items if isinstance(items, list) else []
    return [((key, index), item) for index, item in enumerate(listed) if isinstance(item, dict)]


def item_id(item: dict[str, Any]) -> str | None:
    """The id, if it is text."""
    name = item.get("id")
    return name if isinstance(name, str) else None


def text_of(item: dict[str, Any], key: str, default: str | None = None) -> str | None:
    """The text under `key`, `default` without one, None if it is none."""
    value = item.get(key, default)
    return value if isinstance(value, str) else None


def words_of(item: dict[str, Any], key: str) -> Iterator[tuple[int, str]]:
    """The words of the list under `key`, and their places."""
    value = item.get(key)
    for index, word in enumerate(value if isinstance(value, list) else []):
        if isinstance(word, str):
            yield index, word

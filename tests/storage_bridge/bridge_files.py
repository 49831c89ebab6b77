"""A bridge's configuration for a test."""

from pathlib import Path

import yaml

from .fake_home_assistant import TOKEN


def write_config(folder: Path, url: str, **changes: object) -> Path:
    """Write a configuration and its token file; the path of the former."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "token").write_text(TOKEN + "\n")
    path = folder / "bridge.yaml"
    settings = {
        "home_assistant": {"url": url, "token_file": "token"},
        "data_dir": "data",
        **changes,
    }
    path.write_text(yaml.safe_dump(settings))
    return path

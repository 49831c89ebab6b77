"""Programs that stand in for what only a container has."""

from pathlib import Path


def put_program(folder: Path, name: str, text: str) -> None:
    """An executable file `name` in `folder`, which is made."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)

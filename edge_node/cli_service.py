"""`install-service`: the systemd units, the user they run as, and the rules for the hardware."""

import argparse
import grp
import os
import pwd
import shutil
import stat
import subprocess
import sysconfig
from importlib import resources
from pathlib import Path
from typing import Final

from edge_node import config
from edge_node.app import AppError

_USER: Final = "smart-beer"
# Where the shipped units look for the commands; replaced by where they really are.
_SHIPPED_BIN: Final = "/opt/pipx/venvs/smart-beer/bin"
_PLACES: Final = {
    ".service": "etc/systemd/system",
    ".sysusers.conf": "etc/sysusers.d",
    ".rules": "etc/udev/rules.d",
}


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `install-service`."""
    parser = subparsers.add_parser(
        "install-service", help="install the systemd units, their user and the hardware rules"
    )
    parser.add_argument(
        "--root", type=Path, metavar="DIR", help="write the files below DIR only; run nothing"
    )
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the files, make the user, hand it its folders; AppError says what is in the way."""
    bin_dir = Path(sysconfig.get_path("scripts"))
    if arguments.root is None:
        _check(bin_dir)
    for name, path in write_files(arguments.root or Path("/"), bin_dir).items():
        print(f"{path} is written ({name}).")
    if arguments.root is not None:
        return 0
    _run("systemd-sysusers")
    for folder in (config.DEFAULT_CONFIG.parent, Path(config.DEFAULT_DATA_DIR)):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _hand_over(folder)
    _run("systemctl", "daemon-reload")
    _run("udevadm", "control", "--reload")
    _run("udevadm", "trigger", "--action=add", "--subsystem-match=w1")
    print("Next: sudo systemctl enable --now smart-beer-edge")
    return 0


def write_files(root: Path, bin_dir: Path) -> dict[str, Path]:
    """Write every shipped file to its place below `root`, with the commands in `bin_dir`."""
    written = {}
    for source in sorted(resources.files("edge_node").joinpath("systemd").iterdir(), key=str):
        place = next((where for end, where in _PLACES.items() if source.name.endswith(end)), None)
        if place is None:
            continue
        target = root / place / source.name.replace(".sysusers.conf", ".conf")
        target.parent.mkdir(parents=True, exist_ok=True)
        text = source.read_text("utf-8").replace(_SHIPPED_BIN, str(bin_dir))
        target.write_text(text, "utf-8")
        written[source.name] = target
    return written


def _check(bin_dir: Path) -> None:
    if os.geteuid() != 0:
        raise AppError("install-service writes to /etc and makes a user: run it with sudo.")
    if shutil.which("systemctl") is None:
        raise AppError(
            "There is no systemd here. Have your init system run `smart-beer-edge run` and start "
            "it again when it ends."
        )
    closed = [
        part for part in (bin_dir, *bin_dir.parents) if not part.stat().st_mode & stat.S_IXOTH
    ]
    if closed:
        raise AppError(
            f"{closed[0]} is closed to other users, so the service's user could not run what is "
            f"in {bin_dir}. Install for all users: PIPX_HOME=/opt/pipx "
            "PIPX_BIN_DIR=/usr/local/bin pipx install ..."
        )


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True, timeout=60)  # noqa: S603  fixed words of ours
    except (OSError, subprocess.SubprocessError) as err:
        raise AppError(f"`{' '.join(command)}` failed: {err}") from err


def _hand_over(folder: Path) -> None:
    """Give the folder and what is in it to the service's user: `init` ran as somebody else."""
    user, group = pwd.getpwnam(_USER).pw_uid, grp.getgrnam(_USER).gr_gid
    for path in (folder, *folder.rglob("*")):
        os.chown(path, user, group, follow_symlinks=False)

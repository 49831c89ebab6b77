"""`smart-beer-bridge install-service`: the systemd unit, its user and its folder."""

import argparse
import os
import pwd
import shutil
import stat
import subprocess
import sysconfig
from importlib import resources
from pathlib import Path
from typing import Final

_USER: Final = "smart-beer"
_FOLDER: Final = Path("/var/lib/smart-beer-bridge")
_UNIT: Final = "smart-beer-bridge.service"
# Where the shipped unit looks for the command; replaced by where it really is.
_SHIPPED_BIN: Final = "/usr/local/bin"
_PLACES: Final = {
    _UNIT: f"etc/systemd/system/{_UNIT}",
    # The same user as a node's on this machine, so the line is the same too.
    "smart-beer-bridge.sysusers.conf": "etc/sysusers.d/smart-beer-bridge.conf",
}


class ServiceError(Exception):
    """The service cannot be installed; the text says what is in the way."""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "install-service", help="install the systemd unit, its user and its folder"
    )
    parser.add_argument(
        "--root", type=Path, metavar="DIR", help="write the files below DIR only; run nothing"
    )
    parser.set_defaults(command=_install)


def write_files(root: Path, bin_dir: Path) -> list[Path]:
    """Write the shipped files to their places below `root`, with the command in `bin_dir`."""
    written = []
    for name, place in _PLACES.items():
        target = root / place
        target.parent.mkdir(parents=True, exist_ok=True)
        text = resources.files("storage_bridge").joinpath("systemd", name).read_text("utf-8")
        target.write_text(text.replace(_SHIPPED_BIN, str(bin_dir)), "utf-8")
        written.append(target)
    return written


def _install(options: argparse.Namespace) -> int:
    bin_dir = Path(sysconfig.get_path("scripts"))
    if options.root is None:
        _check(bin_dir)
    for path in write_files(options.root or Path("/"), bin_dir):
        print(f"{path} is written.")
    if options.root is not None:
        return 0
    _run("systemd-sysusers")
    user = pwd.getpwnam(_USER)
    _FOLDER.mkdir(mode=0o700, exist_ok=True)
    os.chown(_FOLDER, user.pw_uid, user.pw_gid)
    _run("systemctl", "daemon-reload")
    print(
        f"Next: sudo -u {_USER} smart-beer-bridge init ... --data-dir {_FOLDER} "
        f"--config {_FOLDER}/bridge.yaml\n"
        "then: sudo systemctl enable --now smart-beer-bridge"
    )
    return 0


def _check(bin_dir: Path) -> None:
    if os.geteuid() != 0:
        raise ServiceError("install-service writes to /etc and makes a user: run it with sudo.")
    if shutil.which("systemctl") is None:
        raise ServiceError(
            "There is no systemd here. Have your init system run `smart-beer-bridge run` and start "
            "it again when it ends."
        )
    closed = [
        part for part in (bin_dir, *bin_dir.parents) if not part.stat().st_mode & stat.S_IXOTH
    ]
    if closed:
        raise ServiceError(
            f"{closed[0]} is closed to other users, so the service's user could not run what is "
            f"in {bin_dir}. Install for all users: sudo pipx install --global ..."
        )


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True, timeout=60)  # noqa: S603  fixed words of ours
    except (OSError, subprocess.SubprocessError) as err:
        raise ServiceError(f"`{' '.join(command)}` failed: {err}") from err

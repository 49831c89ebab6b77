"""What systemd wants to hear from a service of Type=notify."""

import os
import socket


def notify(message: str) -> None:
    """Send `READY=1`, `WATCHDOG=1` or `STOPPING=1`; nothing happens where no manager listens.

    OSError if a manager is named but cannot be reached.
    """
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    # An abstract socket is written with @ (sd_notify(3)).
    target = "\0" + address[1:] if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        sock.settimeout(1)
        sock.connect(target)
        sock.sendall(message.encode())


def watchdog_s() -> float | None:
    """Seconds within which the manager wants a sign of life, None if it wants none."""
    text = os.environ.get("WATCHDOG_USEC", "")
    pid = os.environ.get("WATCHDOG_PID", "")
    if not text.isdigit() or int(text) == 0 or pid not in {"", str(os.getpid())}:
        return None
    return int(text) / 1_000_000

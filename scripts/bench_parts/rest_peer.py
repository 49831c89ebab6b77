"""The core's `rest` integration reading the same nodes, set up as a user would."""

from pathlib import Path
from typing import Any, Final

import yaml

from .stand_in import CHANNELS, MARKED

REST_SENSORS: Final = [f"sensor.rest_{number:03d}_1" for number in range(MARKED)]


def write_rest(folder: Path, ports: list[int]) -> None:
    """Put the package with all resources into a configuration folder."""
    resources: list[dict[str, Any]] = [
        {
            "resource": f"https://127.0.0.1:{port}/v1/state",
            "verify_ssl": False,
            "scan_interval": 1,
            "headers": {"Authorization": f"Bearer bench-token-{node}"},
            "sensor": [
                {
                    "name": f"rest {node:03d} {channel + 1}",
                    "unique_id": f"rest_{node}_{channel}",
                    "value_template": (
                        f"{{{{ value_json.channels.temperature_{channel + 1}.value }}}}"
                    ),
                    "unit_of_measurement": "°C",
                    "device_class": "temperature",
                    "state_class": "measurement",
                }
                for channel in range(CHANNELS)
            ],
        }
        for node, port in enumerate(ports)
    ]
    packages = folder / "packages"
    packages.mkdir(parents=True, exist_ok=True)
    (packages / "rest.yaml").write_text(yaml.safe_dump({"rest": resources}), "utf-8")

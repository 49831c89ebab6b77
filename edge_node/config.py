"""The node's configuration file: what it may say, and all that is wrong with it at once."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import voluptuous as vol

from edge_node import config_check, config_outputs, config_root, config_schema, config_yaml
from edge_node.config_outputs import (
    ActuatorConfig,
    ControllerConfig,
    InputConfig,
    InterlockConfig,
    SafetyConfig,
)

DEFAULT_CONFIG: Final = Path("/etc/smart-beer/edge.yaml")
DEFAULT_DATA_DIR: Final = "/var/lib/smart-beer"
DEFAULT_PORT: Final = 8443
_DEFAULT_MAX_BYTES: Final = 2 * 2**30
# DS18B20: -55..+125 °C. CO2: more than any beer holds. Gauge pressure: vacuum up to a burst keg.
_LIMITS: Final = {"°C": (-55.0, 125.0), "kPa": (-100.0, 1000.0), "vol": (0.0, 10.0)}
# A transducer may read a little beyond its span before it is broken.
_SPAN_MARGIN: Final = 0.05


class ConfigError(Exception):
    """A configuration file that cannot be used; `problems` lists every reason as a sentence."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class ApiConfig:
    """Where the API listens; port 0 lets the system choose."""

    bind: str
    port: int
    mdns: bool
    insecure_lan: bool


@dataclass(frozen=True, slots=True)
class KettleConfig:
    """A kettle that this node serves; `group` holds the ids of all nodes that serve it, sorted."""

    kettle_id: str
    name: str
    group: tuple[str, ...]
    safety: SafetyConfig


@dataclass(frozen=True, slots=True)
class ChannelConfig:
    """One quantity to read.

    `kind` is `temperature` (°C), `pressure` (kPa gauge) or `co2` (vol); `limits` are the lowest and
    highest believable value in `unit`; `calibration` holds (raw, true) points: none, one
    (an offset: (0, offset)) or two. `options` holds what only the driver knows:

    w1: `device` (str), `resolution` (9-12). iio: `device`, `input` (str), `span` as
    ((from_low, from_high), (to_low, to_high)), volts or mA to kPa. carbonation: `temperature`,
    `pressure` (channel ids). replay: `file` (absolute Path), `column` (int, from 1: column 0 is
    the time). simulated: nothing.
    """

    id: str
    name: str
    kettle_id: str | None
    driver: str
    kind: str
    unit: str
    device_class: str | None
    role: str
    limits: tuple[float, float]
    stale_s: float
    calibration: tuple[tuple[float, float], ...]
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """A whole, checked configuration; `digest` changes exactly when its meaning does.

    `breakers` maps a breaker to its watts, `buttons` the names stop, override and pairing to where
    they are.
    """

    path: Path
    node_id: str
    name: str
    data_dir: Path
    api: ApiConfig
    clock: str
    kettles: tuple[KettleConfig, ...]
    spool_max_bytes: int
    w1_root: Path
    iio_root: Path
    channels: tuple[ChannelConfig, ...]
    actuators: tuple[ActuatorConfig, ...]
    interlocks: tuple[InterlockConfig, ...]
    breakers: Mapping[str, float]
    buttons: Mapping[str, InputConfig]
    controllers: tuple[ControllerConfig, ...]
    digest: str


def load(path: Path) -> NodeConfig:
    """The checked configuration in the YAML file `path`; ConfigError carries all its problems."""
    document = config_yaml.read(path)
    checked: dict[str, Any] = {}
    if not document.problems or document.data is not None:
        try:
            checked = config_root.ROOT(document.data)
        except vol.MultipleInvalid as err:
            for error in err.errors:
                document.report(_key_path(error), error.msg)
        except vol.Invalid as err:
            document.report(_key_path(err), err.msg)
        config_check.check(document)
    if document.problems:
        raise ConfigError(document.problems)
    return _build(path, checked)


def _key_path(error: vol.Invalid) -> config_yaml.KeyPath:
    return tuple(part if isinstance(part, int) else str(part) for part in error.path)


def _build(path: Path, data: dict[str, Any]) -> NodeConfig:
    """The configuration of checked data, defaults filled in."""
    node, api = data["node"], data.get("api", {})
    node_id = node["id"]
    kettles = tuple(
        KettleConfig(
            kettle_id=kettle["id"],
            name=kettle.get("name", kettle["id"]),
            group=tuple(sorted(kettle.get("group", [node_id]))),
            safety=config_outputs.safety(kettle.get("safety", {})),
        )
        for kettle in data.get("kettles", [])
    )
    config = NodeConfig(
        path=path,
        node_id=node_id,
        name=node.get("name", node_id),
        data_dir=config_check.resolve(path, node.get("data_dir", DEFAULT_DATA_DIR)),
        api=ApiConfig(
            bind=api.get("bind", "0.0.0.0"),  # noqa: S104 - a node is there to be reached
            port=api.get("port", DEFAULT_PORT),
            mdns=api.get("mdns", True),
            insecure_lan=api.get("insecure_lan", False),
        ),
        clock=data.get("clock", "kernel"),
        kettles=kettles,
        spool_max_bytes=data.get("spool", {}).get("max_bytes", _DEFAULT_MAX_BYTES),
        w1_root=config_check.resolve(path, data.get("w1", {}).get("root", "/sys/bus/w1/devices")),
        iio_root=config_check.resolve(
            path, data.get("iio", {}).get("root", "/sys/bus/iio/devices")
        ),
        channels=_with_roles([_channel(path, item) for item in data.get("channels", [])]),
        actuators=tuple(config_outputs.actuator(path, item) for item in data.get("actuators", [])),
        interlocks=tuple(
            config_outputs.interlock(path, item) for item in data.get("interlocks", [])
        ),
        breakers={item["id"]: item["max_w"] for item in data.get("breakers", [])},
        buttons={
            name: config_outputs.contact(path, item)
            for name, item in data.get("inputs", {}).items()
        },
        controllers=tuple(config_outputs.controller(item) for item in data.get("controllers", [])),
        digest="",
    )
    return replace(config, digest=_digest(config))


def _channel(path: Path, item: dict[str, Any]) -> ChannelConfig:
    driver = item["driver"]
    unit = item.get("unit", config_check.default_unit(driver))
    kind = config_schema.UNITS[unit]
    options: dict[str, Any] = {}
    limits = _LIMITS[unit]
    match driver:
        case "w1":
            options = {"device": item["device"], "resolution": item.get("resolution", 12)}
        case "iio":
            span = (item["span"]["from"], item["span"]["to"])
            options = {"device": item["device"], "input": item["input"], "span": span}
            options |= {key: item[key] for key in ("shunt_ohms",) if key in item}
            low, high = sorted(span[1])
            margin = (high - low) * _SPAN_MARGIN
            limits = (low - margin, high + margin)
        case "carbonation":
            options = {"temperature": item["temperature"], "pressure": item["pressure"]}
        case "replay":
            file = config_check.resolve(path, item["file"])
            options = {"file": file, "column": item.get("column", 1)}
            options |= {key: item[key] for key in ("loop", "clock") if key in item}
    calibration = item.get("calibration", ())
    if "offset" in item:
        calibration = ((0.0, item["offset"]),)
    return ChannelConfig(
        id=item["id"],
        name=item.get("name", item["id"]),
        kettle_id=item.get("kettle"),
        driver=driver,
        kind=kind,
        unit=unit,
        device_class=config_schema.DEVICE_CLASSES[kind],
        role=item.get("role", ""),
        limits=item.get("limits", limits),
        stale_s=item.get("stale_s", 5.0),
        calibration=calibration,
        options=options,
    )


def _with_roles(channels: list[ChannelConfig]) -> tuple[ChannelConfig, ...]:
    """Fill in the roles left open: a kettle's first temperature leads."""
    led = {c.kettle_id for c in channels if c.role == "process" and c.kind == "temperature"}
    result = []
    for channel in channels:
        role = channel.role
        if not role:
            first = channel.kind == "temperature" and channel.kettle_id not in {None, *led}
            role = "process" if first else "auxiliary"
            if first:
                led.add(channel.kettle_id)
        result.append(replace(channel, role=role))
    return tuple(result)


def _digest(config: NodeConfig) -> str:
    """SHA-256 over all but the file's own path; the order of kettles and channels is no matter."""
    meaning = asdict(config)
    del meaning["path"], meaning["digest"]
    meaning["kettles"] = sorted(meaning["kettles"], key=lambda kettle: kettle["kettle_id"])
    for key in ("channels", "actuators", "interlocks", "controllers"):
        meaning[key] = sorted(meaning[key], key=lambda item: item["id"])
    text = json.dumps(meaning, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()

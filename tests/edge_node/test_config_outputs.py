from pathlib import Path

import pytest

from edge_node.config import ConfigError, NodeConfig, load

FULL = """\
node: {id: mash-a, data_dir: data}
kettles:
  - {id: mash-tun, safety: {high_limit: 80, disagree_k: 1.5, volume_l: 30, reference: required}}
  - {id: fermenter}
channels:
  - {id: mash_temp, kettle: mash-tun, driver: simulated}
  - {id: coil_temp, kettle: mash-tun, driver: simulated}
actuators:
  - {id: heater, name: Element, kettle: mash-tun, kind: heater, control: power, driver: gpio,
     pin: 17, active: low, window_s: 4, min_on_s: 0.2, min_off_s: 0.3, power_w: 3500,
     requires: [pump], interlocks: [lid], breaker: main, mutex: elements, max_on_s: 1800,
     max_on_per_hour_s: 3000, contactor: main_contactor}
  - {id: second, kettle: mash-tun, kind: heater, driver: gpio, pin: 18, power_w: 1500,
     mutex: elements, contactor: null}
  - {id: pump, kettle: mash-tun, kind: pump, driver: simulated, file: levels/pump, safe: on}
  - {id: main_contactor, kind: contactor, driver: gpio, pin: 5}
  - {id: fridge, kettle: fermenter, kind: cooler, driver: gpio, pin: 23, on_lease_loss: {max_h: 48}}
interlocks: [{id: lid, kettle: mash-tun, driver: gpio, pin: 22, closed: high}]
breakers: [{id: main, max_w: 3680}]
inputs: {stop: {driver: gpio, pin: 6}, override: {driver: simulated, file: override}}
controllers:
  - {id: mash, name: Mash, kettle: mash-tun, kind: cascade, heater: heater, inner_probe: coil_temp,
     inner_max_k: 6, range: [20, 78], max_rate: 1.5, pid: {kp: 20, ti_s: 300}, altitude_m: 500,
     exchanger_l: 20}
  - {id: ferm, kettle: fermenter, kind: fermentation, cooler: fridge, heater: null, band_k: 0.3}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "edge.yaml"
    path.write_text(text)
    return path


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(written(folder, text))
    return caught.value.problems


@pytest.fixture
def config(tmp_path: Path) -> NodeConfig:
    return load(written(tmp_path, FULL))


def test_outputs_have_all_that_the_file_says_and_sensible_defaults(
    config: NodeConfig, tmp_path: Path
) -> None:
    by_id = {actuator.id: actuator for actuator in config.actuators}
    heater = by_id["heater"]
    assert (heater.name, heater.kettle_id, heater.pin, heater.active_high) == (
        *("Element", "mash-tun", 17),
        False,
    )
    assert (heater.window_ms, heater.min_on_ms, heater.min_off_ms) == (4000, 200, 300)
    assert (heater.max_on_ms, heater.max_on_per_hour_ms) == (1_800_000, 3_000_000)
    assert (heater.requires, heater.interlocks) == (("pump",), ("lid",))
    assert (heater.breaker, heater.mutex, heater.contactor) == (
        "main",
        "elements",
        "main_contactor",
    )
    assert (heater.safe, heater.hold_ms) == (0.0, None)
    pump = by_id["pump"]
    assert (pump.control, pump.safe, pump.file) == ("switch", 100.0, tmp_path / "levels/pump")
    fridge = by_id["fridge"]
    assert (fridge.min_on_ms, fridge.min_off_ms) == (180_000, 300_000)  # a compressor
    assert fridge.hold_ms == 48 * 3_600_000


def test_kettles_inputs_and_controllers_too(config: NodeConfig) -> None:
    safety = config.kettles[0].safety
    assert (safety.high_limit, safety.disagree_k, safety.volume_l) == (80, 1.5, 30)
    assert safety.reference_required
    assert not config.kettles[1].safety.reference_required
    assert config.breakers == {"main": 3680}
    assert not config.interlocks[0].closed_low
    assert config.buttons["stop"].pin == 6
    assert config.buttons["override"].file is not None
    mash, ferm = config.controllers
    assert (mash.kind, mash.range, mash.max_rate, mash.inner_max_k) == ("cascade", (20, 78), 1.5, 6)
    assert mash.pid is not None
    assert (mash.pid.kp, mash.pid.ti_s, mash.pid.td_s) == (20, 300, 0)
    assert (ferm.cooler, ferm.heater, ferm.band_k) == ("fridge", None, 0.3)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("pin: 17", "pin: 16"),
        ("high_limit: 80", "high_limit: 81"),
        ("max_w: 3680", "max_w: 3681"),
        ("closed: high", "closed: low"),
        ("range: [20, 78]", "range: [20, 79]"),
        ("{driver: gpio, pin: 6}", "{driver: gpio, pin: 7}"),
    ],
)
def test_the_digest_changes_with_what_protects(tmp_path: Path, old: str, new: str) -> None:
    assert old in FULL
    before = load(written(tmp_path, FULL)).digest
    assert load(written(tmp_path, FULL.replace(old, new))).digest != before


BASE = """\
node: {id: n, data_dir: data}
kettles: [{id: k, safety: {volume_l: 20}}, {id: other, safety: {volume_l: 20}}]
channels: [{id: t, kettle: k, driver: simulated}]
"""
BARE = "{id: h, kettle: k, kind: heater, driver: gpio, pin: 4, power_w: 1000%s}"
HEATER = BARE % ", contactor: null%s"


def test_a_minimal_heater_is_one_line(tmp_path: Path) -> None:
    config = load(written(tmp_path, BASE + "actuators: [" + HEATER % "" + "]\n"))
    (heater,) = config.actuators
    assert (heater.control, heater.safe, heater.min_on_ms, heater.contactor) == (
        *("switch", 0.0, 0),
        None,
    )


def outputs(*lines: str) -> str:
    return BASE + "actuators:\n" + "".join(f"  - {line}\n" for line in lines)


def out(**more: object) -> str:
    """One output in YAML's flow style."""
    item: dict[str, object] = {"id": "p", "kettle": "k", "kind": "pump", "driver": "gpio", "pin": 9}
    item |= more
    return "{" + ", ".join(f"{key}: {value}" for key, value in item.items()) + "}"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (outputs(HEATER % "", out(pin=4)), "the pin 4 is used already by output h on line 5"),
        (outputs(out(kettle="nowhere")), "the kettle nowhere is not declared"),
        (outputs("{id: p, kind: pump, driver: gpio, pin: 9}"), "the key kettle is missing"),
        (outputs("{id: p, kettle: k, kind: pump, driver: gpio}"), "the key pin is missing"),
        (outputs("{id: p, kettle: k, kind: pump, driver: simulated}"), "the key file is missing"),
        (outputs(BARE % ""), "say contactor: null if there is none"),
        (outputs(BARE % ", contactor: p", out()), "p is a pump, not a contactor"),
        (outputs(BARE % ", contactor: x"), "there is no output x"),
        (outputs(HEATER % ", requires: [x]"), "there is no output x"),
        (outputs(HEATER % ", interlocks: [x]"), "there is no interlock x"),
        (outputs(HEATER % ", breaker: x"), "there is no breaker x"),
        (outputs(HEATER % ", mutex: m"), "m has one member only"),
        (outputs(HEATER % ", safe: on"), "its safe level is off"),
        (outputs(HEATER % ", on_lease_loss: {max_h: 2}"), "only what a fermentation controller"),
        (outputs(out(), out()), "the output p is there already, on line 5"),
        (outputs(out(id="t")), "a channel has that id"),
        (outputs(out(requires="[p]")), "p requires p"),
        (
            outputs(out(requires="[q]"), out(id="q", pin=10, requires="[p]")),
            "none of them could ever be on",
        ),
        (outputs(out(max_on_s=0)), "must be from 1 to 86400"),
        (outputs(out(window_s=61)), "must be from 1 to 60"),
        (outputs(out(min_off_s=-1)), "must be from 0 to 3600"),
        (
            outputs(HEATER % ", control: power, window_s: 2, min_on_s: 1.5, min_off_s: 1"),
            "do not fit into a window of 2 s",
        ),
        (outputs(out(kind="valve", control="power")), "a valve is a switch"),
        (
            outputs("{id: h, kettle: k, kind: heater, driver: gpio, pin: 4}"),
            "the key power_w is missing",
        ),
        (
            outputs(out(breaker="b")) + "breakers: [{id: b, max_w: 900}]\n",
            "the breaker b shares out watts",
        ),
        (
            outputs(HEATER % ", breaker: b") + "breakers: [{id: b, max_w: 900}]\n",
            "1000 W are more than the breaker b carries (900 W)",
        ),
        (
            BASE.replace("{id: k, safety: {volume_l: 20}}", "{id: k}")
            + "actuators: ["
            + HEATER % ""
            + "]\n",
            "it needs safety: {volume_l: ...}",
        ),
        (
            outputs(out(id="lid")) + "interlocks: [{id: lid, driver: gpio, pin: 3}]\n",
            "an interlock is called lid, too",
        ),
        (BASE + "interlocks: [{id: stop, driver: gpio, pin: 3}]\n", "is the name of a button"),
        (
            outputs(out(pin=3)) + "inputs: {stop: {driver: gpio, pin: 3}}\n",
            "the pin 3 is used already by output p",
        ),
    ],
)
def test_what_cannot_work_is_told_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    found = problems(tmp_path, text)
    assert any(says in problem for problem in found), found
    assert all(", line " in problem for problem in found)


def controllers(*lines: str) -> str:
    more = (
        ", {id: w, kettle: other, driver: simulated}, {id: p, driver: iio, device: 'iio:device0',"
        " input: voltage0, span: {from: [0, 3], to: [0, 9]}}]"
    )
    return (
        outputs(HEATER % "", HEATER.replace("id: h", "id: s").replace("4", "5") % "")
        .replace("id: h,", "id: h, control: power,")
        .replace("driver: simulated}]", "driver: simulated}" + more)
        .replace("actuators:\n", "actuators:\n  - " + out(id="f", kind="cooler", pin=9) + "\n")
        + "controllers:\n"
        + "".join(f"  - {line}\n" for line in lines)
    )


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{id: c, kettle: k, kind: pid, heater: x}", "there is no output x"),
        ("{id: c, kettle: other, kind: pid, heater: h}", "belongs to kettle k, not to other"),
        ("{id: c, kettle: k, kind: pid, cooler: h}", "is a heater, not a cooler"),
        ("{id: c, kettle: k, kind: pid, heater: s}", "needs an output with control: power"),
        ("{id: c, kettle: k, kind: hysteresis}", "it drives nothing"),
        ("{id: c, kettle: k, kind: cascade, heater: h}", "the key inner_probe is missing"),
        (
            "{id: c, kettle: k, kind: cascade, heater: h, inner_probe: x}",
            "there is no channel x",
        ),
        (
            "{id: c, kettle: k, kind: cascade, heater: h, inner_probe: t}",
            "the key exchanger_l is missing",
        ),
        (
            "{id: c, kettle: other, kind: cascade, heater: h, inner_probe: w}",
            "belongs to kettle k, not to other nor to that of the inner probe",
        ),
        (
            "{id: c, kettle: k, kind: cascade, heater: h, exchanger_l: 9, inner_probe: p}",
            "p is no temperature",
        ),
        ("{id: c, kettle: k, kind: pid, heater: h, inner_max_k: 3}", "of kind cascade"),
        ("{id: c, kettle: k, kind: pid, heater: h, exchanger_l: 3}", "of kind cascade"),
        ("{id: c, kettle: k, kind: pid, heater: h, cooler: f}", "a pid only heats"),
        ("{id: c, kettle: k, kind: hysteresis, heater: h, cooler: f}", "heats or cools"),
        ("{id: c, kettle: k, kind: hysteresis, heater: h, boil_power: 50}", "of kind pid"),
        ("{id: c, kettle: k, kind: pid, heater: h, boil_power: 101}", "must be from 0 to 100"),
        ("{id: c, kettle: k, kind: pid, heater: h, boil_margin: -1}", "must be from 0 to 10"),
        ("{id: c, kettle: k, kind: pid, heater: h, band_k: 1}", "of kind hysteresis or ferm"),
        ("{id: c, kettle: k, kind: fermentation, heater: h, pid: {kp: 1, ti_s: 9}}", "of kind pid"),
        (
            "{id: c, kettle: k, kind: fermentation, heater: h, outer: {kp: 1, ti_s: 9}}",
            "needs inner_probe",
        ),
        (
            "{id: c, kettle: k, kind: fermentation, heater: h, inner_probe: t, outer: {kp: 1}}",
            "the key ti_s is missing",
        ),
        ("{id: c, kettle: k, kind: pid, heater: h, range: [80, 20]}", "low below high"),
        ("{id: c, kettle: k, kind: pid, heater: h, max_rate: 0}", "must be from 0.01 to 20"),
        ("{id: c, kettle: k, kind: pid, heater: h, pid: {ti_s: 3}}", "the key kp is missing"),
        ("{id: c, kettle: k, kind: magic, heater: h}", "must be one of pid"),
    ],
)
def test_controllers_that_cannot_work_are_told(tmp_path: Path, line: str, says: str) -> None:
    found = problems(tmp_path, controllers(line))
    assert any(says in problem for problem in found), found


def test_two_controllers_cannot_drive_one_output(tmp_path: Path) -> None:
    text = controllers(
        "{id: a, kettle: k, kind: pid, heater: h}", "{id: b, kettle: k, kind: pid, heater: h}"
    )
    (problem,) = problems(tmp_path, text)
    assert "driven already by controller a" in problem


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    text = outputs(HEATER % ", requires: [x], mutex: m, max_on_s: 0", out(pin=4, kettle="nowhere"))
    assert len(problems(tmp_path, text)) == 5


def test_nonsense_of_any_type_is_told_and_not_a_crash(tmp_path: Path) -> None:
    for nonsense in ("3", "x", "[3]", "[x]", "{a: b}", "[{id: 3, kind: [], requires: 5}]", "null"):
        for key in ("actuators", "interlocks", "breakers", "inputs", "controllers"):
            assert problems(tmp_path, BASE + f"{key}: {nonsense}\n"), (key, nonsense)

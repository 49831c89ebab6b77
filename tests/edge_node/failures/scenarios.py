"""What goes wrong in a kettle in seconds and minutes, and what its node then promises.

`lone`: one node with three probes in each kettle, and nobody tells it what others measure.
`three`: three nodes with a probe each; the leader tells the first what they agree on.
`still`: such a brewery of their own for the probes that stand still.
"""

import time
from contextlib import closing
from typing import Final

from tests.edge_node.failures.breweries import Breweries
from tests.edge_node.failures.conftest import wait_until
from tests.edge_node.failures.still import outvoted, still
from tests.edge_node.failures.together import Scenario
from tests.standstills import STANDSTILL_S

# A fault is seen at the simulation's next step; a shorter standstill is not asked about again.
SLACK_S: Final = 1.0 + STANDSTILL_S
PROBES: Final = ("temperature", "temperature_2", "temperature_3")
FULL_K_PER_S: Final = 3500 / (20 * 4186)


def welded(all_: Breweries) -> str:
    """A relay stays closed when its output goes off."""
    with closing(all_.vat("welded")) as vat:
        vat.heat()
        time.sleep(20)
        vat.fault("heater", "welded")
        began = vat.value()
        at = time.monotonic()
        assert vat.switch("heater", False)["actual"] == 0
        wait_until(
            lambda: vat.latches() and vat.level("contactor") == 0, "the contactor opens", 150
        )
        opened = vat.off_after(at, "contactor")
        assert opened <= 120 + SLACK_S
        assert vat.latches() == {"stuck_relay"}
        wait_until(
            lambda: any(one["id"] == "stuck_relay_welded" for one in vat.state()["alarms"]),
            "it is an alarm",
        )
        at_trip = vat.value()
        # The probe lags by what ten seconds give.
        rose = at_trip - began
        assert rose <= FULL_K_PER_S * (opened + 10) + 0.2, f"{opened} s, {rose} K"
        time.sleep(10)
        assert vat.value() - at_trip < 1.0, "the contactor has cut it off"
        assert vat.switch("heater", True)["error"]["code"] == "safety_latched"
        assert vat.level("contactor") == 0
        return f"contactor open {opened:.1f} s after the relay stuck, {rose:.1f} K later"


def dead(all_: Breweries) -> str:
    """An element is on and does not heat."""
    with closing(all_.vat("dead")) as vat:
        vat.fault("heater", "dead")
        time.sleep(1)
        vat.heat()
        vat.heat_until(lambda: vat.off_by("no_rise"), "off without a rise", 240)
        # A machine that stood still has interrupted the heat.
        after = vat.longest_on_s()
        assert after <= 180 + SLACK_S
        assert vat.latches() == {"no_rise"}, vat.trouble()
        assert vat.level("contactor") == 0
        assert vat.switch("heater", True)["error"]["code"] == "safety_latched"
        return f"off {after:.1f} s after it was switched on"


def dry(all_: Breweries) -> str:
    """A kettle runs dry while its element is on."""
    with closing(all_.vat("dry")) as vat:
        vat.heat()
        began = vat.value()
        at = vat.fault("", "dry")
        vat.heat_until(lambda: vat.off_by("too_fast"), "off when dry", 90)
        after = vat.off_after(at)
        assert after <= 40 + SLACK_S
        assert vat.level("contactor") == 0
        return f"off {after:.1f} s after, {vat.value() - began:.0f} K hotter"


def copied(all_: Breweries) -> str:
    """Two probes give one trace, and a third differs."""
    with closing(all_.vat("copied")) as vat:
        vat.fault(PROBES[2], "high")
        at = vat.fault(PROBES[0], "cross_talk")
        vat.heat()
        vat.heat_until(lambda: vat.off_by("cross_talk"), "off by cross-talk", 240)
        after = time.monotonic() - at
        assert vat.latches() == {"cross_talk"}, vat.trouble()
        (latch,) = [one for one in vat.state()["latches"] if one["kettle_id"] == "copied"]
        node_id = vat.brewery.node_id
        both = ", ".join(f"{node_id}/{vat.name(probe)}" for probe in PROBES[:2])
        assert f": {both}. " in latch["text"]
        wait_until(
            lambda: (
                [vat.channel(probe)["quality"] for probe in PROBES]
                == ["suspect:cross_talk", "suspect:cross_talk", "ok"]
            ),
            "both are distrusted",
        )
        return f"both distrusted and off {after:.0f} s after they became one"


def frozen(all_: Breweries) -> str:
    """The probe that is gone by stands still while the kettle heats."""
    with closing(all_.vat("frozen")) as vat:
        vat.heat()
        time.sleep(60)  # so long it goes with the others
        at, began = vat.fault(PROBES[0], "frozen"), vat.value(PROBES[1])
        vat.heat_until(lambda: vat.channel()["quality"] == "suspect:frozen", "flagged", 180)
        flagged = time.monotonic() - at
        wait_until(lambda: vat.off_by("process_value", "probes_lost"), "nothing to go by", 30)
        after, rose = vat.off_after(at), vat.value(PROBES[1]) - began
        assert after <= 180 + SLACK_S
        return f"flagged after {flagged:.0f} s, off after {after:.0f} s, {rose:.1f} K hotter"


def lost(all_: Breweries) -> str:
    """All probes return nothing while it heats, and no server says anything any more."""
    with closing(all_.vat("lost")) as vat:
        vat.heat()
        vat.close()  # the server is unplugged; its lease has yet to run out
        at = [vat.fault(probe, "empty") for probe in PROBES][-1]
        wait_until(lambda: vat.off_by("process_value"), "off without a probe")
        after = vat.off_after(at)
        assert after <= 2.5 + SLACK_S
        wait_until(
            lambda: all(vat.told_of(probe, "empty") for probe in PROBES), "each is told of", 30
        )
        return f"off {after:.1f} s after the last probe went"


def unplugged(all_: Breweries) -> str:
    """The probe of the heater's node is pulled out of three."""
    with closing(all_.vat("unplugged")) as vat:
        vat.heat()
        at = vat.fault("temperature", "missing")
        wait_until(lambda: vat.channel()["value"] is None, "its reading is gone")
        gone = vat.unread_after(at)
        assert gone <= 2 + SLACK_S
        wait_until(
            lambda: any(vat.name("temperature") in a["id"] for a in vat.state()["alarms"]), "told"
        )
        told = time.monotonic() - at
        vat.stays(5, vat.may_heat, "it heats by the two others")
        wait_until(lambda: vat.level() == 100, "and does")
        return f"unavailable after {gone:.1f} s, alarm after {told:.1f} s, the heat went on"


def figures(all_: Breweries) -> str:
    """A probe shows figures that mean something else, one after the other."""
    kinds = {
        "power_on": ("power_on", 85.0),
        "no_power": ("no_power", 127.9375),
        "disconnected": ("disconnected", -127.0),
        "bad_crc": ("crc", None),
        "zeros": ("zeros", 0.0),
        "clone": ("power_on", 25.0),
    }
    with closing(all_.vat("figures")) as vat:
        vat.heat()
        for kind, (cause, _) in kinds.items():
            vat.fault("temperature", kind)
            wait_until(lambda: vat.channel()["quality"] == f"bad:{cause}", kind)  # noqa: B023
            vat.stays(2, vat.may_heat, "the heat goes on")
            vat.fault("temperature", None)
            wait_until(lambda: vat.channel()["quality"] == "ok", f"good again after {kind}")
        counted = vat.state()["health"]["bus_errors"][vat.name("temperature")]
        assert {cause for cause, _ in kinds.values()} <= counted.keys()
        time.sleep(2)
        values = [sample.value for sample in vat.samples() if sample.value is not None]
        assert values
        assert all(50 < value < 80 for value in values), "none was used as a reading"
        # Not while a reading fails: that it often does is no alarm then.
        wait_until(
            lambda: sum(vat.name("temperature") in a["id"] for a in vat.state()["alarms"]) == 1,
            "one alarm",
            10,
        )
        return f"none of {len(kinds)} used, one alarm, counted {counted}"


def ramp(all_: Breweries) -> str:
    """A true ramp goes through 85.00 on all probes."""
    with closing(all_.vat("ramp")) as vat:
        vat.heat()
        vat.heat_until(lambda: (vat.channel()["value"] or 0) > 86, "it goes through", 240)
        time.sleep(1)
        rows = [sample for node in range(3) for sample in vat.samples(node)]
        near = sum(sample.value is not None and abs(sample.value - 85) < 0.25 for sample in rows)
        assert near > 10
        # A machine that stands still answers late; what it reads must be believed.
        wrong = [row for row in rows if row.quality not in {"ok", "bad:timeout", "bad:stale"}]
        assert wrong == []
        assert not any(vat.name("") in alarm["id"] for alarm in vat.state()["alarms"])
        assert vat.may_heat()
        return f"{len(rows)} readings from 84 to 86, {near} of them near 85, none lost"


def liar(all_: Breweries) -> str:
    """The probe of the heater's own node says ten degrees too much."""
    with closing(all_.vat("liar")) as vat:
        vat.heat()
        time.sleep(4)
        before = vat.fused()
        at = vat.fault("temperature", "high")
        wait_until(lambda: vat.off_by("disagreement"), "off while it is not known who lies")
        off = vat.off_after(at)
        assert off <= 2.5 + SLACK_S
        wait_until(lambda: vat.channel()["quality"] == "suspect:outlier", "flagged", 240)
        flagged = time.monotonic() - at
        # Not before a minute of contradiction; readings that come late only make it longer.
        assert flagged >= 55, flagged
        wait_until(lambda: vat.level() == 100, "it heats again by the two others", 30)
        moved = abs(vat.fused() - before)
        assert moved < 1.5, "the fused temperature is not touched"
        return f"off after {off:.1f} s, flagged and heating again after {flagged:.0f} s"


def distant(all_: Breweries) -> str:
    """Another node's probe says ten degrees too much."""
    with closing(all_.vat("distant")) as vat:
        vat.heat()
        time.sleep(4)
        before = vat.fused()
        vat.fault("temperature", "high", node=2)
        time.sleep(2)
        vat.stays(10, vat.may_heat, "the heat goes on")
        moved = vat.fused() - before
        assert abs(moved) < 1.5
        return f"the fused temperature moved by {moved:.2f} K, the heat went on"


def apart(all_: Breweries) -> str:
    """All three disagree, and the heater's own is in the middle."""
    with closing(all_.vat("apart")) as vat:
        vat.heat()
        time.sleep(4)
        vat.fault("temperature", "high", node=1)
        at = vat.fault("temperature", "low", node=2)
        wait_until(lambda: vat.off_by("disagreement"), "off when all disagree", 30)
        off = vat.off_after(at)
        assert off <= 5 + SLACK_S  # until the next renewal, and the reading before it
        vat.stays(15, lambda: vat.off_by("disagreement"), "it stays off")
        return f"off after {off:.1f} s"


LONE: Final = (welded, dead, dry, copied, frozen, lost)
THREE: Final = (unplugged, figures, ramp, liar, distant, apart)
SCENARIOS: Final[dict[str, tuple[str, Scenario]]] = {
    **{scenario.__name__: ("lone", scenario) for scenario in LONE},
    **{scenario.__name__: ("three", scenario) for scenario in THREE},
    **{scenario.__name__: ("still", scenario) for scenario in (still, outvoted)},
}

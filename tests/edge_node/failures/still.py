"""Probes of one kettle's three nodes that stand still, one after the other and two at once.

Real nodes, bound by what they recorded: however late the client of a test is, they end the heat
10.6 s after its last renewal.
"""

import math
import time
from contextlib import closing

from tests.edge_node.failures.breweries import Breweries
from tests.edge_node.failures.conftest import wait_until
from tests.edge_node.failures.vat import AGREE_K, LOOK_S, Vat
from tests.standstills import STANDSTILL_S

HEAT_ON_S = 10.6
ON_SHARE = 0.5  # a machine that stands still interrupts the heat
RISE_S = 300.0  # far longer than the element needs for what probes may differ by


def still(all_: Breweries) -> str:
    """While the kettle heats the probe of another node stands still, then the third one, too."""
    with closing(all_.vat("still")) as vat:
        vat.heat()
        one, began = time.time(), vat.value()
        vat.fault("temperature", "frozen", node=2)
        vat.heat_until(lambda: _fused_of_two(vat) > began + AGREE_K, "it is left out", RISE_S)
        vat.stays(5, vat.may_heat, "the heat goes on by the two others")
        two = time.time()
        share = vat.on_share(one, two)
        assert share >= ON_SHARE

        vat.fault("temperature", "frozen", node=1)
        after = _off_after_parting(vat, two)
        time.sleep(5)  # in which the noise may still bring them together for a second
        vat.stays(10, lambda: vat.off_by("disagreement"), "it stays off")
        assert vat.switch("heater", True)["limited_by"] == "disagreement"
        assert vat.latches() == set()

        _mend(vat)
        vat.heat_until(lambda: vat.level() == 100, "it heats again by itself", 90)
        went_on = f"one: on for {share:.0%} of {two - one:.0f} s"
        return f"{went_on}; two: off {after:.1f} s after the own one had left them"


def outvoted(all_: Breweries) -> str:
    """The probes of both other nodes stand still, agree, and outvote the one that is right."""
    with closing(all_.vat("outvoted")) as vat:
        vat.heat()
        began = time.time()
        vat.fault("temperature", "frozen", node=1)
        vat.fault("temperature", "frozen", node=2)
        after = _off_after_parting(vat, began)
        wait_until(lambda: vat.channel()["quality"] == "suspect:outlier", "it is outvoted", 240)
        # The heat comes back by the two, and then shows nothing.
        vat.heat_until(lambda: vat.off_by("no_rise"), "off for good", 300)
        latched = time.time() - began
        (latch,) = [one for one in vat.state()["latches"] if one["kettle_id"] == "outvoted"]
        assert latch["latch"] == "no_rise"
        assert "outvoted was heated for" in latch["text"]
        assert "the probe is not in it" in latch["text"]
        assert vat.level("contactor") == 0
        assert vat.switch("heater", True)["error"]["code"] == "safety_latched"

        _mend(vat)
        wait_until(lambda: vat.clear("no_rise")[0] == 200, "it is cleared")
        assert vat.level() == 0
        vat.heat()
        return f"off {after:.1f} s after it had left them, latched after {latched:.0f} s"


def _fused_of_two(vat: Vat) -> float:
    """What the first two nodes' probes agree on without the third's; minus infinity if not."""
    fused = vat.reference()
    nodes = [node["node_id"] for node in vat.brewery.line["nodes"]]
    told_by = [series.partition("/")[0] for series in fused["probes"]]
    return float(fused["value"]) if told_by == nodes[:2] else -math.inf


def _off_after_parting(vat: Vat, since: float) -> float:
    """Wait for the heat's end; how long after its own probe had left the others, s, as recorded."""

    def left_ms() -> int | None:
        at = vat.samples(node=1)[-1].value
        rows = [row for row in vat.samples() if row.t > since * 1000 and row.value is not None]
        if at is None:
            return None
        return next((row.t for row in rows if (row.value or 0) > at + AGREE_K), None)

    # Not before: a reading of the second one that came too late leaves two that disagree.
    vat.heat_until(
        lambda: vat.off_by("disagreement") and left_ms(), "off when its own is alone", RISE_S
    )
    after = (vat.off_ms() - wait_until(left_ms, "that it left them is recorded")) / 1000
    assert after <= HEAT_ON_S + STANDSTILL_S
    return float(after)


def _mend(vat: Vat) -> None:
    """Let all probes tell the truth, which the first node's told all the time."""
    for node in (1, 2):
        vat.fault("temperature", None, node=node)

    def true() -> bool:
        time.sleep(LOOK_S)  # each look is a question to every node
        fused, own = vat.reference()["value"], vat.channel()["value"]
        return fused is not None and own is not None and abs(fused - own) < AGREE_K / 2

    wait_until(true, "the fused temperature is the true one")

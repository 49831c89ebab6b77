"""Probes that lie or are lost, relays that stick, dry kettles: on real nodes, in real time.

All of them run side by side from the moment the first failure test of a run begins.
"""

from collections.abc import Callable

import pytest

from tests.edge_node.failures.together import Together

pytestmark = [pytest.mark.slow, pytest.mark.timeout(960)]

NAMES = {
    "welded": "a stuck relay opens the contactor within two minutes and stays latched",
    "dead": "heat without a rise is off and latched within three minutes",
    "dry": "a dry kettle is off and latched before it burns",
    "copied": "two probes that copy each other while the third differs are both distrusted",
    "frozen": "a frozen probe is flagged, left out, and heat that has no other ends",
    "lost": "all probes empty while heating, without a server: off, each named with its error",
    "unplugged": "one probe of three unplugged: unavailable, told, and the heat goes on",
    "figures": "85 once, 25 once, 0, 127.94, -127 and a wrong checksum are never a reading",
    "ramp": "a true ramp through 85 on all probes loses no reading and raises no alarm",
    "liar": "the heater's own probe lies: off until it is flagged, then on by the others",
    "distant": "one of three lies: the median is not touched and the heat goes on",
    "apart": "all three disagree: off",
    "still": "a probe stands still: left out, and the heat goes on; a second one: off until mended",
    "outvoted": "two that stand still and agree outvote the right one: off, latched, told why",
}


@pytest.mark.parametrize("name", NAMES)
def test_in_a_kettle(together: Together, name: str, measured: Callable[[str], None]) -> None:
    measured(f"{NAMES[name]}: {together.outcome(name)}")

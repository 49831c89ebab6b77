"""PURE: what outputs share: a breaker's rating, and the right to be on alone.

What does not fit is refused, not scaled: an output behind slow PWM draws its whole rating during
its pulse, whatever its average, and two pulses meet. So an output that is on at any power counts in
full. Who asks first has it; the supervisor asks for those that are on already first.
"""

from collections.abc import Mapping

from edge_node.safety.rules import OutputRules


class Shares:
    """What is still free in one tick."""

    def __init__(self, breakers: Mapping[str, float]) -> None:
        self._free_w = dict(breakers)
        self._taken: set[str] = set()

    def mutex_free(self, output: OutputRules) -> bool:
        """Whether no other output of its mutex is on."""
        return output.mutex is None or output.mutex not in self._taken

    def fits(self, output: OutputRules) -> bool:
        """Whether its breaker can carry it too; an unknown breaker carries nothing."""
        return output.breaker is None or output.power_w <= self._free_w.get(output.breaker, -1.0)

    def take(self, output: OutputRules) -> None:
        """The output is on in this tick."""
        if output.mutex is not None:
            self._taken.add(output.mutex)
        if output.breaker is not None:
            self._free_w[output.breaker] = self._free_w.get(output.breaker, 0.0) - output.power_w

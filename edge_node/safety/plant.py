"""PURE: a node's outputs, kettles and breakers, checked against each other, in their order."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from edge_node.safety.rules import KettleRules, OutputRules


class Plant:
    """What does not change while the node runs.

    ValueError: an id used twice, a name that does not exist, or outputs that require each other.
    """

    def __init__(
        self,
        outputs: Iterable[OutputRules],
        kettles: Iterable[KettleRules],
        breakers: Mapping[str, float],
    ) -> None:
        self.outputs = tuple(outputs)
        self.breakers = dict(breakers)
        self.kettles = {rules.kettle_id: rules for rules in kettles}
        self._by_id = {output.id: output for output in self.outputs}
        if len(self._by_id) != len(self.outputs):
            raise ValueError("two outputs have the same id: give each its own")
        for output in self.outputs:
            self._check(output)
        self._depth = {output.id: self._depth_of(output, ()) for output in self.outputs}
        self.heaters = {
            kettle_id: tuple(
                o for o in self.outputs if o.kind == "heater" and o.kettle_id == kettle_id
            )
            for kettle_id in self.kettles
        }
        self.coils = {
            kettle_id: tuple(o for o in self.outputs if kettle_id in o.heats)
            for kettle_id in self.kettles
        }
        self._together = {output.id: self._kettles_of(output) for output in self.outputs}

    def __getitem__(self, output_id: str) -> OutputRules:
        """An output by its id; KeyError."""
        return self._by_id[output_id]

    def in_turn(self, on: AbstractSet[str]) -> list[OutputRules]:
        """Each output after those it needs; those in `on`, and what they need, before the others.

        So who has a share of a breaker or a mutex keeps it.
        """
        first = set(on)
        for output in sorted(self.outputs, key=lambda o: -self._depth[o.id]):
            if output.id in first:
                first.update(output.needs)
        return sorted(self.outputs, key=lambda o: (o.id not in first, self._depth[o.id]))

    def together(self, output: OutputRules) -> frozenset[str]:
        """The kettles whose latches concern it: its own, those it heats, those of its contactor."""
        return self._together[output.id]

    def behind(self, contactor: OutputRules) -> tuple[OutputRules, ...]:
        """The outputs in series with this contactor."""
        return tuple(o for o in self.outputs if o.contactor == contactor.id)

    def _check(self, output: OutputRules) -> None:
        if output.kettle_id not in self.kettles:
            raise ValueError(f"output {output.id}: there is no kettle {output.kettle_id}")
        for name in output.heats:
            if name not in self.kettles:
                raise ValueError(f"output {output.id} heats {name}: there is no such kettle")
        for name in output.requires:
            if name not in self._by_id:
                raise ValueError(f"output {output.id} requires {name}, which does not exist")
        if output.breaker is not None and output.breaker not in self.breakers:
            raise ValueError(f"output {output.id}: there is no breaker {output.breaker}")
        contactor = self._by_id.get(output.contactor) if output.contactor is not None else None
        if output.contactor is not None and (contactor is None or contactor.kind != "contactor"):
            raise ValueError(f"output {output.id}: there is no contactor {output.contactor}")

    def _depth_of(self, output: OutputRules, above: tuple[str, ...]) -> int:
        if output.id in above:
            circle = " -> ".join((*above, output.id))
            raise ValueError(f"outputs require each other: {circle}")
        needed = (self._by_id[name] for name in output.needs)
        return 1 + max((self._depth_of(o, (*above, output.id)) for o in needed), default=-1)

    def _kettles_of(self, output: OutputRules) -> frozenset[str]:
        contactor = output.id if output.kind == "contactor" else output.contactor
        if contactor is None:
            return frozenset(output.kettles)
        behind = (o for o in self.outputs if o.contactor == contactor)
        heated = {name for o in behind for name in o.kettles}
        return frozenset({*output.kettles, self._by_id[contactor].kettle_id, *heated})

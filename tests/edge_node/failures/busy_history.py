"""PURE: whether a node obeyed what a busy client said once and in order, and nothing else.

Two witnesses: what the client wrote down of the node's answers, and the samples of the outputs that
the node took itself.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Final

from edge_node.model import Sample
from tests.edge_node.failures.busy_client import STEPS, power_of

Line = dict[str, Any]

TOLERANCE_S: Final = 0.25  # between two ways to read one clock
LATE_S: Final = 10.0  # an unanswered command may have been obeyed until its client gave up


def problems(lines: Sequence[Line], samples: Iterable[Sample], wall_s: float) -> list[str]:
    """What must not have happened, a sentence each; `wall_s` is UTC at the client's time 0."""
    rows = sorted(samples, key=lambda sample: sample.t)
    return [
        *_answers(lines),
        *_leaderships(lines),
        *_heater(lines, [row for row in rows if row.series.endswith("/heater")]),
        *_pump(lines, [row for row in rows if row.series.endswith("/pump")], wall_s),
    ]


def _told(lines: Iterable[Line]) -> Iterator[tuple[Line, Line]]:
    """Each thing said, with its answer."""
    said: Line = {}
    for line in lines:
        if line["kind"] in {"order", "again", "stale", "lower"}:
            said = line
        elif line["kind"] == "told":
            yield said, line


def _answers(lines: Sequence[Line]) -> Iterator[str]:
    first: dict[str, Line] = {}
    for said, told in _told(lines):
        status, content, number = told["status"], told["content"], said["cmd_id"]
        match said["kind"]:
            case "order":
                first[number] = told
                if status == 200:
                    yield from _obeyed_as_said(said, content)
                elif status not in {403, 410, 412, 423, 429}:
                    yield f"command {number} was refused with {status}: {content}"
            case "again" if number in first and status not in {403, 410, 412, 429}:
                before = first[number]
                same = ("desired", "actual", "limited_by", "seq", "error")
                if status != before["status"] or any(
                    content.get(key) != before["content"].get(key) for key in same
                ):
                    yield f"the duplicate of {number} was answered otherwise: {before}, {told}"
            case "stale" | "lower" if status == 200:
                yield f"a {said['kind']} command was obeyed: {said}"


def _obeyed_as_said(said: Line, content: Line) -> Iterator[str]:
    wanted = said.get("power", said.get("state"))
    if content["desired"] != wanted or content["seq"] != said["seq"]:
        yield f"told {wanted} with {said['seq']}, the node answered {content}"


def _leaderships(lines: Sequence[Line]) -> Iterator[str]:
    """No epoch comes back, and the commands obeyed never belong to a lower one."""
    granted = [line["epoch"] for line in lines if line["kind"] == "leads"]
    if any(after <= before for before, after in pairwise(granted)):
        yield f"an epoch was granted again or fell: {granted}"
    obeyed = [
        (said["epoch"], said["seq"])
        for said, told in _told(lines)
        if said["kind"] == "order" and told["status"] == 200
    ]
    if any(after <= before for before, after in pairwise(obeyed)):
        yield "commands were obeyed out of their order"


def _heater(lines: Sequence[Line], rows: Sequence[Sample]) -> Iterator[str]:
    """Every power that the node had was ordered, and never an earlier one after a later one."""
    numbers = {power_of(number): number for number in range(STEPS)}
    ordered = {line["number"] for line in lines if line["kind"] == "order" and "number" in line}
    newest, off = -1, True
    for row in rows:
        if not row.value:
            off = True
            continue
        number = numbers.get(round(row.value, 2))
        if number is None or number not in ordered:
            yield f"the heater was at {row.value} %, which nobody ordered"
        elif number < newest or (number == newest and off):
            yield f"the heater was at {row.value} % (order {number}) after order {newest}"
        else:
            newest = number
        off = False


def _pump(lines: Sequence[Line], rows: Sequence[Sample], wall_s: float) -> Iterator[str]:
    """Each time the pump went on, it had just been told to, and for each such order it did once."""
    came = {line["cmd_id"]: line["came"] for line in lines if line["kind"] == "told"}
    free = [
        (line["sent"], came.get(line["cmd_id"], line["sent"] + LATE_S))
        for line in lines
        if line["kind"] == "order" and line["output"] == "pump" and line["state"]
    ]
    on = False
    for row in rows:
        before, on = on, bool(row.value)
        if not on or before:
            continue
        at = row.t / 1000 - wall_s
        fits = [w for w in free if w[0] - TOLERANCE_S <= at <= w[1] + TOLERANCE_S]
        if fits:
            free.remove(fits[0])
        else:
            yield f"the pump went on at {at:.2f} s, which nobody ordered then"

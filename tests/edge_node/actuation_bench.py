"""A node's outputs on a fake machine: real pins in files, a model of the kettle, time by hand."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path
from random import Random
from typing import Any

from edge_node.actuation import Actuation, Report
from edge_node.commander import Commander
from edge_node.commands import Answer, ControllerOrder, Header
from edge_node.config import load
from edge_node.hardware.outputs import open_inputs, open_outputs
from edge_node.hardware.outputs.simulated import read_level
from edge_node.lease import Refused
from edge_node.model import Reading
from edge_node.sampler import Tick
from edge_node.simulation.kettle import Kettle, KettleParameters, Probe
from tests.edge_node.fake_time import FakeTime

TEXT = """\
node: {id: n, data_dir: data}
kettles: [{id: k, safety: {high_limit: 90, volume_l: 20}}]
channels: [{id: t, kettle: k, driver: simulated}]
actuators:
  - {id: heater, kettle: k, kind: heater, control: power, driver: simulated, file: pins/heater,
     power_w: 3500, contactor: contactor, requires: [pump]}
  - {id: pump, kettle: k, kind: pump, driver: simulated, file: pins/pump}
  - {id: contactor, kettle: k, kind: contactor, driver: simulated, file: pins/contactor}
inputs:
  stop: {driver: simulated, file: pins/stop}
  override: {driver: simulated, file: pins/override}
controllers: [{id: c, kettle: k, kind: pid, heater: heater, range: [20, 90]}]
"""
STEP_MS = 100
ELEMENT_W = 3500.0


class Bench:
    """`run` lets time pass: the element heats by its pin, the probe is read every second."""

    def __init__(self, folder: Path, text: str = TEXT, *, start_c: float = 60.0) -> None:
        self.folder = folder
        pins = folder / "pins"
        pins.mkdir(exist_ok=True)
        (pins / "stop").write_text("1")
        (pins / "override").write_text("0")
        path = folder / "edge.yaml"
        path.write_text(text)
        self.config = load(path)
        self.machine = FakeTime()
        self.boot = uuid.uuid4().hex
        self.outputs = open_outputs(path)
        self.inputs = open_inputs(path)
        self.reports: list[Report] = []
        self.actuation = Actuation(
            self.config,
            boot_id=self.boot,
            mono_ms=self.machine.mono_ms,
            utc_ms=self.machine.wall_ms,
            outputs=self.outputs,
            inputs=self.inputs,
        )
        self.actuation.listener = self.reports.append
        self.actuation.keep_latches()
        self.commander = Commander(self.actuation)
        self.core = self.actuation.core
        self.kettle = Kettle(KettleParameters(), start_c)
        self.probe = Probe(start_c, Random(1), lag_s=10.0, bias_k=0.0, noise_k=0.02)
        self.welded = self.dead = False
        self.reading: Reading | None = None  # what the probe says instead of the truth
        self.epoch = 0
        self.seq = 0
        self.renewing = False
        self.reference: dict[str, Any] | None = None
        self.run(2.0)

    def close(self) -> None:
        self.commander.close()
        self.actuation.stop()

    def pin(self, name: str) -> float:
        level = read_level(self.folder / "pins" / name)
        assert level is not None
        return level

    @property
    def state(self) -> dict[str, Any]:
        return self.actuation.state()

    @property
    def latches(self) -> set[str]:
        return {latch["latch"] for latch in self.state["latches"]}

    def step(self) -> None:
        """A tenth of a second: the pins, the water, and what is due."""
        machine = self.machine
        machine.run(STEP_MS)
        self.outputs.service(machine.mono)
        self.inputs.sample(machine.mono)
        heats = (self.pin("heater") > 0 or self.welded) and not self.dead
        fed = self.pin("contactor") > 0
        pump = self.pin("pump") > 0
        seconds = STEP_MS / 1000
        self.kettle.step(seconds, ELEMENT_W if heats and fed else 0.0, pump=pump)
        self.probe.step(seconds, self.kettle.temperature_c, pump=pump)
        if machine.mono % 1000 < STEP_MS:
            reading = self.reading or Reading(self.probe.convert(12) / 16, "ok")
            self.core.observe(Tick(machine.wall, machine.mono, {"t": reading}))
            if self.renewing:
                self.renew()
        if machine.mono % 500 < STEP_MS:
            self.actuation.tick()

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds * 1000 / STEP_MS)):
            self.step()

    def run_until(self, condition: Any, limit_s: float) -> float:
        """Seconds of the node until it came true."""
        begun = self.machine.mono
        while not condition():
            assert self.machine.mono - begun <= limit_s * 1000, f"not within {limit_s} s"
            self.step()
        return (self.machine.mono - begun) / 1000

    def lead(self, kettle: str = "k") -> None:
        """Take the lease, once the quarantine is over."""
        self.run(10.0)
        self.epoch += 1
        self.seq = 0
        refused = asyncio.run(
            self.actuation.leases.acquire(
                kettle, **self._who(), echo_boot=self.boot, echo_ms=self.machine.mono
            )
        )
        assert refused is None, refused
        self.renewing = True

    def renew(self, kettle: str = "k") -> Refused | None:
        stamp = self.machine.mono
        refused = self.actuation.leases.renew(
            kettle, **self._who(), echo_boot=self.boot, echo_ms=stamp
        )
        if refused is None and self.reference is not None:
            self.actuation.leases.refer(kettle, self.reference, stamp)
        return refused

    def header(self, **more: Any) -> Header:
        self.seq += 1
        whole = {
            **self._who(),
            "boot_id": self.boot,
            "seq": self.seq,
            "not_after": self.machine.mono + 2000,
            "cmd_id": uuid.uuid4().hex,
        }
        return Header(**{**whole, **more})

    def switch(self, output: str, on: bool, *, seconds: float = 3600, **more: Any) -> Any:
        return asyncio.run(
            self.commander.output(
                output, self.header(**more), state=on, power=None, max_on_s=seconds if on else None
            )
        )

    def heat(self) -> Answer:
        """Pump and element on."""
        self.switch("pump", True)
        answer: Answer = self.switch("heater", True)
        assert answer["actual"] == 100, answer
        return answer

    def control(self, controller: str = "c", **order: Any) -> Any:
        whole = {"mode": None, "setpoint": None, "power": None, "autotune": None} | order
        return asyncio.run(
            self.commander.controller(controller, self.header(), ControllerOrder(**whole), None)
        )

    def _who(self) -> dict[str, Any]:
        return {"server_id": "a", "session": "s", "epoch": self.epoch}

"""What a node switches, and the contacts that it reads."""

from edge_node.hardware.outputs.group import BEAT_LIMIT_MS, Outputs, StalledError
from edge_node.hardware.outputs.heartbeat import Heartbeat, open_heartbeat
from edge_node.hardware.outputs.inputs import Inputs, open_inputs
from edge_node.hardware.outputs.opening import open_outputs
from edge_node.hardware.outputs.output import Output

__all__ = [
    "BEAT_LIMIT_MS",
    "Heartbeat",
    "Inputs",
    "Output",
    "Outputs",
    "StalledError",
    "open_heartbeat",
    "open_inputs",
    "open_outputs",
]

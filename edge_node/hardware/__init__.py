"""What a node can read: every channel once a second, whatever one of them does."""

from edge_node.hardware.acquisition import Acquisition
from edge_node.hardware.probes import FoundProbe, list_probes

__all__ = ["Acquisition", "FoundProbe", "list_probes"]

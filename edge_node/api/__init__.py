"""The node's HTTPS API."""

from edge_node.api.app import create_app
from edge_node.api.server import ApiServer

__all__ = ["ApiServer", "create_app"]

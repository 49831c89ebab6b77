"""The smart-beer edge node: reads probes on the second, keeps every sample, serves a local API."""

from typing import Final

__version__: Final = "0.1.0"

"""The node's lease and the server's leadership together, both as they are, without Home Assistant.

The integration's package imports Home Assistant when it is imported; its pure modules do not, so
they are loaded here as members of an empty package of the same name.
"""

import sys
import types
from pathlib import Path

_NAME = "custom_components.smart_beer"
if _NAME not in sys.modules:
    _package = types.ModuleType(_NAME)
    _package.__path__ = [str(Path(__file__).parents[2] / "custom_components" / "smart_beer")]
    sys.modules[_NAME] = _package

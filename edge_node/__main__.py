"""`python -m edge_node` is `smart-beer-edge`."""

import sys

from edge_node.cli import main

sys.exit(main())

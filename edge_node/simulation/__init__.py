"""A brewery below the drivers: models that write the files which the kernel would write."""

# The simulated probes among the drivers need this package, which needs the drivers' words: whoever
# comes here first gets them in the order that works.
import edge_node.hardware  # noqa: F401

"""The storage bridge: from Home Assistant to the tiers."""

import sys

if sys.version_info < (3, 14):  # noqa: UP036  pip lets it be installed beside the node, which runs on 3.11
    raise SystemExit(
        "smart-beer-bridge needs Python 3.14 or newer, and this is "
        f"{sys.version.split()[0]}: install it with pipx install --python python3.14 ..."
    )

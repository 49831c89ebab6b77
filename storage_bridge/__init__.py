"""The storage bridge: from Home Assistant to the tiers."""

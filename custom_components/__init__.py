"""Custom integrations of this repository; Home Assistant loads `smart_beer`."""

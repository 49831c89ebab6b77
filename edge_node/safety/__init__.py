"""PURE: what may be on, and why not; no I/O and no clock, monotonic time comes in as integer ms."""

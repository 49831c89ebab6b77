"""What `scripts/bench` measures: one module a benchmark, each with `TITLE` and `run`."""

"""The whole brewery as processes on this machine, for the demo, browser tests and benchmarks."""

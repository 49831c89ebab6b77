"""Commands of this repository; the Python parts behind the shell scripts."""

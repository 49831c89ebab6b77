"""What is put into every process of a simulated brewery by being first on its path."""

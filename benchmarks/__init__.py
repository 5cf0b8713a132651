"""Benchmarks of the running backend; `python -m benchmarks` runs them all."""

"""Benchmarks of other trading backends beside this one; `python -m benchmarks.peers`."""

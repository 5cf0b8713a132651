"""Other trading backends, measured beside this one; `python -m benchmarks.peers`."""

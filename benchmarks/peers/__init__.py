"""What users would pick instead, measured beside ours; `python -m benchmarks.peers`."""

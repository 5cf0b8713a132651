"""Cooperative waiting across threads, CPU affinity, and garbage collection of the process."""

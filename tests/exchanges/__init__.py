"""Offline exchange that behaves as real ones do, switch by switch; see README.md."""

"""Futures: positions and margin, in paper and in real trading."""

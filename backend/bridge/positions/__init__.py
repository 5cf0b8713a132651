"""Futures positions: reading, closing, contract settings, and the tracker's interface."""

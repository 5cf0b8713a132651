"""Adapter of OctoBot's objects; no other package of the bridge touches them."""

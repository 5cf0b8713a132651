"""REST and streaming backend for OctoBot: one process that runs a bot and serves it."""

__version__ = "0.2.0"

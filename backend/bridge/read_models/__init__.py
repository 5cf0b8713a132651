"""Serialized responses that are kept until the data behind them changes."""

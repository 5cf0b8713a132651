"""The sandbox exchange as ccxt and OctoBot see it."""

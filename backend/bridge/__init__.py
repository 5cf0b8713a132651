"""The only package that imports OctoBot and ccxt."""

"""Balances of the bot's accounts and their value."""

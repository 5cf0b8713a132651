"""API keys of the exchange accounts that the bot trades with."""

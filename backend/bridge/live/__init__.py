"""Live trading: what the bot does beyond paper trading, on exchanges that keep the account."""

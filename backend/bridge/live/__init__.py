"""Real trading: what differs from paper trading on exchanges that keep the account."""

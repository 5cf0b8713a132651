"""Risk limits: pre-trade checks and the daily loss limit."""

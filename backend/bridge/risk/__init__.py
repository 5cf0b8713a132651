"""Risk limits: pre-trade checks and the limit of a day's loss."""

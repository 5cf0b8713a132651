"""State of orders and trades in memory, and its way to the journal."""

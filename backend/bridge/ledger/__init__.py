"""Present state of orders and trades, and the outbox that commits it to the journal."""

"""Orders: validation, placement, amendment, cancellation, brackets and idempotency."""

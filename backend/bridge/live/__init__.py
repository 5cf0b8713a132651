"""Live trading: reconciliation, triggered stops and brackets on exchanges that keep the account."""

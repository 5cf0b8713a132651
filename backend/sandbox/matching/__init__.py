"""The sandbox's matching engine, accounts and order rules."""

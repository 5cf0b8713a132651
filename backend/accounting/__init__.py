"""What trades come to: balances, profit, fees, drawdown, limits. Arithmetic on plain data only."""

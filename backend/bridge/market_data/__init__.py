"""Markets, tickers, candles and order books, and what OctoBot's evaluators say of them."""

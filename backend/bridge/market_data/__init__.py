"""Markets, tickers, candles and order books, and the evaluations of OctoBot's strategies."""

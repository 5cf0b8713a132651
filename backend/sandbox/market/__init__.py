"""Simulated market data: price paths, candles, trades, tickers and order books."""

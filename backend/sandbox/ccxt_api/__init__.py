"""ccxt exchange classes of the sandbox exchange: REST and websocket API."""

"""Paper trading: an exact simulation of spot and futures accounts."""

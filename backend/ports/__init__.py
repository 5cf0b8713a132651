"""Plain data and Protocols through which bridge, streams, store and server meet."""

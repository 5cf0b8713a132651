"""The bot's thread and event loop: start, stop, and execution of other threads' work."""

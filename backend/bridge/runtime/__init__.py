"""The bot's thread and event loop: start, stop, and work that other threads submit."""

"""Middleware around every request: id, authentication, limits, CORS, headers, audit, errors."""

"""Alembic migrations; forward only, and never changed once released."""

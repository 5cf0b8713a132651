"""Alembic's migrations; forward only, and never changed once released."""

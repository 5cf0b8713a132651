"""The database: users, refresh families, audit."""

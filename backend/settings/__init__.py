"""Settings from BACKEND_* variables: model, loading, checks, description."""

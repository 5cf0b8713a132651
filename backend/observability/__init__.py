"""Logs, masking of secrets, and metrics."""

"""Serialized responses that are cached until their data changes."""

"""The only package that touches OctoBot's objects."""

"""Patches of OctoBot's behavior: one file each, naming the test that shows when it can go."""

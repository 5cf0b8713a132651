"""Changes of OctoBot's behavior: one file each, with the test that shows when it can go."""

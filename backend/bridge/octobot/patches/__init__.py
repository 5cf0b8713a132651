"""Changes to OctoBot's behavior: one file per behavior that is changed."""

"""The command line `octobot-backend`."""

"""Command line `octobot-backend`: run, configuration, users, API keys, credentials, audit."""

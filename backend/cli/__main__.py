"""Entry point of `python -m backend.cli`, the same as `octobot-backend`."""

from backend.cli.main import main

main()

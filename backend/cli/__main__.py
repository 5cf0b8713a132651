"""`python -m backend.cli` is the same as `octobot-backend`."""

from backend.cli.main import main

main()

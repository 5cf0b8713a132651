"""The command `octobot-backend doctor`."""

from __future__ import annotations

import sys

import click

from backend.cli.checks import Finding, check_all
from backend.settings.loading import load_settings
from backend.settings.model import SettingsError


@click.command()
def doctor() -> None:
    """Check settings, machine, home and database; the exit code is 1 when there is a problem.

    Changes nothing, and may run beside a server.
    """
    try:
        settings = load_settings()
    except SettingsError as error:
        _print(Finding("problem", "settings", str(error)))
        sys.exit(1)
    _print(Finding("ok", "settings", f"valid, {settings.env}, trading {settings.trading}"))
    has_problem = False
    for finding in check_all(settings):
        _print(finding)
        has_problem |= finding.level == "problem"
    sys.exit(1 if has_problem else 0)


def _print(finding: Finding) -> None:
    click.echo(f"{finding.level:<8} {finding.subject}: {finding.text}")

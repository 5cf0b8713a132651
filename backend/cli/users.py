"""Commands `octobot-backend user …`: create, list and change users, also while a server runs."""

from __future__ import annotations

import re
import secrets
import sys

import click

from backend.cli.common import CliError
from backend.cli.local_services import open_identity
from backend.schemas.auth import User
from backend.schemas.common import MAX_PAGE, PageQuery, time_text
from backend.schemas.users import EMAIL_PATTERN, UserChange

_ROLES = click.Choice(["viewer", "trader", "admin"])
_MIN_PASSWORD_LENGTH = 10
_READ_PASSWORD = click.option(
    "--password-stdin", is_flag=True, help="Read the password from the standard input."
)


@click.group()
def user() -> None:
    """Create, show and change users. A running server applies changes within seconds."""


@user.command()
@click.argument("username")
@click.option("--role", type=_ROLES, default="viewer", show_default=True)
@click.option("--email", default=None)
@_READ_PASSWORD
def create(username: str, role: str, email: str | None, password_stdin: bool) -> None:
    """Create a user.

    Without --password-stdin a password is generated and printed; it has to be changed
    at the first login.
    """
    _check_email(email)
    password = _read_password() if password_stdin else secrets.token_urlsafe(16)
    with open_identity("user create", username) as identity:
        created = identity.users.create(
            username,
            password,
            role,  # type: ignore[arg-type]  # click checks it
            email=email.lower() if email else None,
            must_change_password=not password_stdin,
        )
    click.echo(f"created {created.username}, {created.role}")
    if not password_stdin:
        _show_password(password)


@user.command(name="list")
def list_users() -> None:
    """List all users."""
    query = PageQuery(limit=MAX_PAGE, cursor=None)
    with open_identity() as identity:
        while True:
            page = identity.users.page(query)
            for found in page.data:
                click.echo(_format_user(found))
            if page.pagination.next_cursor is None:
                return
            query = PageQuery(limit=MAX_PAGE, cursor=page.pagination.next_cursor)


@user.command()
@click.argument("username")
def show(username: str) -> None:
    """Show a user."""
    with open_identity() as identity:
        found = identity.users.find_by_username(username)
    for name, value in found.model_dump(mode="json").items():
        click.echo(f"{name}: {_format_value(value)}")


@user.command()
@click.argument("username")
@click.argument("role", type=_ROLES)
def set_role(username: str, role: str) -> None:
    """Change a user's role."""
    changed = _change_user("set-role", username, UserChange.model_validate({"role": role}))
    click.echo(f"{username} is {role} now")
    if changed.must_change_password:
        click.echo(f"{username} has to set another password before anything else")


@user.command()
@click.argument("username")
def enable(username: str) -> None:
    """Enable a user."""
    _change_user("enable", username, UserChange(disabled=False))
    click.echo(f"{username} may log in")


@user.command()
@click.argument("username")
def disable(username: str) -> None:
    """Disable a user and end their sessions."""
    _change_user("disable", username, UserChange(disabled=True))
    click.echo(f"{username} may not log in")


@user.command()
@click.argument("username")
@_READ_PASSWORD
def reset_password(username: str, password_stdin: bool) -> None:
    """Reset a user's password, which they have to change, and end their sessions."""
    password = _read_password() if password_stdin else secrets.token_urlsafe(16)
    _change_user("reset-password", username, UserChange(password=password))
    click.echo(f"{username} has a new password")
    if not password_stdin:
        _show_password(password)


@user.command()
@click.argument("username")
def remove_second_factor(username: str) -> None:
    """Remove a user's second factors, when app, passkeys and recovery codes are lost."""
    with open_identity("user remove-second-factor", username) as identity:
        identity.second_factors.remove_all(identity.users.find_by_username(username).id)
    click.echo(f"{username} logs in by password alone")


@user.command()
@click.argument("username")
@click.confirmation_option(prompt="Delete the user with all sessions and keys?")
def delete(username: str) -> None:
    """Delete a user."""
    with open_identity("user delete", username) as identity:
        identity.users.remove(identity.users.find_by_username(username).id)
    click.echo(f"deleted {username}")


def _change_user(action: str, username: str, change: UserChange) -> User:
    with open_identity(f"user {action}", username) as identity:
        return identity.users.change(identity.users.find_by_username(username).id, change)


def _check_email(email: str | None) -> None:
    if email is not None and not re.fullmatch(EMAIL_PATTERN, email):
        raise CliError("--email: an address such as alice@example.org")


def _read_password() -> str:
    password = sys.stdin.readline().rstrip("\r\n")
    if len(password) < _MIN_PASSWORD_LENGTH:
        raise CliError(f"a password has at least {_MIN_PASSWORD_LENGTH} characters")
    return password


def _show_password(password: str) -> None:
    click.echo(f"password, shown only now: {password}")


def _format_user(found: User) -> str:
    state = "disabled" if found.disabled else "enabled"
    return f"{found.username}\t{found.role}\t{state}\t{time_text(found.created_at)}"


def _format_value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(value) if isinstance(value, list) else str(value or "-")

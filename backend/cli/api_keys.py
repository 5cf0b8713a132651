"""Commands `octobot-backend api-key …`: API keys of the users, also while a server runs."""

from __future__ import annotations

from datetime import timedelta

import click
from pydantic import ValidationError

from backend.cli.common import CliError
from backend.cli.local_services import open_identity
from backend.schemas.api_keys import ApiKey, NewApiKey
from backend.schemas.common import MAX_PAGE, PageQuery, time_text, utc_now


@click.group()
def api_key() -> None:
    """Create, list and revoke API keys. A running server applies changes within seconds."""


@api_key.command()
@click.argument("username")
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, required=True, help="May be repeated.")
@click.option("--network", "networks", multiple=True, help="As 10.0.0.0/8; may be repeated.")
@click.option("--days", type=click.IntRange(1, 36500), help="How long it lives; for ever if unset.")
def create(
    username: str, name: str, scopes: tuple[str, ...], networks: tuple[str, ...], days: int | None
) -> None:
    """Create a key called NAME for a user and print it, once."""
    expires_at = utc_now() + timedelta(days=days) if days else None
    wanted = {"name": name, "scopes": scopes, "networks": networks, "expires_at": expires_at}
    try:
        new = NewApiKey.model_validate(wanted)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise CliError(f"{first['loc'][0]}: {first['msg']}") from None
    with open_identity("api-key create", f"{username} {name}") as identity:
        owner = identity.users.find_by_username(username)
        made = identity.api_keys.create(owner.id, owner.role, new)
    click.echo(f"key, shown only now: {made.key}")


@api_key.command(name="list")
@click.argument("username")
def list_keys(username: str) -> None:
    """List a user's keys, the newest first."""
    with open_identity() as identity:
        owner = identity.users.find_by_username(username)
        page = identity.api_keys.page(owner.id, PageQuery(limit=MAX_PAGE, cursor=None))
    for key in page.data:
        click.echo(_format_key(key))


@api_key.command()
@click.argument("username")
@click.argument("prefix")
def revoke(username: str, prefix: str) -> None:
    """Revoke the user's key that begins with PREFIX, as the list shows it."""
    with open_identity("api-key revoke", f"{username} {prefix}") as identity:
        owner = identity.users.find_by_username(username)
        page = identity.api_keys.page(owner.id, PageQuery(limit=MAX_PAGE, cursor=None))
        found = [key.id for key in page.data if key.prefix == prefix]
        if not found:
            raise CliError("no such API key")
        identity.api_keys.revoke(owner.id, found[0])
    click.echo(f"revoked {prefix}")


def _format_key(key: ApiKey) -> str:
    until = time_text(key.expires_at) if key.expires_at else "for ever"
    used = time_text(key.last_used_at) if key.last_used_at else "never used"
    return f"{key.prefix}\t{key.name}\t{','.join(key.scopes)}\t{until}\t{used}"

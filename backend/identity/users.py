"""User administration, for the API and the command line."""

from __future__ import annotations

import re
from typing import NamedTuple

from sqlalchemy.exc import IntegrityError

from backend.errors import Conflict, FieldError, NotFound, ValidationFailed
from backend.identity.passwords import Passwords, fits_admin, require_strong
from backend.identity.store_sync import StoreSync
from backend.identity.user_view import user_view
from backend.pagination import decode_text_cursor, encode_text_cursor
from backend.schemas.auth import Role, User
from backend.schemas.common import Page, PageQuery, Pagination, utc_now
from backend.schemas.users import UserChange
from backend.store import Database, models, user_changes, users
from backend.store.user_changes import UserUpdate
from backend.store.users import NewUser

USERNAME = re.compile(r"[a-z0-9_.@-]{1,64}")


class Profile(NamedTuple):
    """What is known of a person beyond how they log in."""

    name: str | None = None
    phone: str | None = None


NO_PROFILE = Profile()


class Users:
    """Creates, lists, changes and deletes users. All methods may be called from any thread."""

    def __init__(self, database: Database, passwords: Passwords, store_sync: StoreSync) -> None:
        self._database = database
        self._passwords = passwords
        self._sync = store_sync

    def create(
        self,
        username: str,
        password: str,
        role: Role,
        *,
        email: str | None = None,
        profile: Profile = NO_PROFILE,
        must_change_password: bool = False,
    ) -> User:
        """Create a user.

        Raises `ValidationFailed` for a weak password, and `Conflict` when the name or the address
        is taken.
        """
        name = username.lower()
        if not USERNAME.fullmatch(name):
            message = "1 to 64 letters, digits or any of _ . @ -"
            raise ValidationFailed(fields=[FieldError("username", message)])
        require_strong("password", password, name, role)
        hashed = self._passwords.hash(password)
        new = NewUser(
            name,
            hashed,
            role,
            utc_now(),
            email,
            must_change_password,
            profile.name,
            profile.phone,
            password_fits_admin=fits_admin(password, name),
        )
        try:
            return user_view(self._sync.change(users.insert, new))
        except IntegrityError:
            raise Conflict("the username or the email is taken") from None

    def page(self, query: PageQuery) -> Page[User]:
        """Return a page of users, sorted by name."""
        return self._page("users", query, None)

    def referrals(self, user_id: str, query: PageQuery) -> Page[User]:
        """Return a page of the users that a user has invited; raises `NotFound`."""
        self.get(user_id)
        return self._page("referrals", query, user_id)

    def get(self, user_id: str) -> User:
        """Return the user of this id; raises `NotFound`."""
        return _view(self._database.read(users.get, user_id))

    def find_by_username(self, username: str) -> User:
        """Return the user of this name; raises `NotFound`."""
        return _view(self._database.read(users.find_by_name, username.lower()))

    def change(self, user_id: str, update: UserChange) -> User:
        """Change a user.

        A password set this way has to be changed at the next login, unless `update`
        says otherwise. Raises `NotFound`, `LastAdmin`, `ValidationFailed` for a weak password, and
        `Conflict` when the address is taken.
        """
        hashed, must_change, fits = None, update.must_change_password, False
        if update.password is not None:
            user = self.get(user_id)
            require_strong("password", update.password, user.username, update.role or user.role)
            hashed = self._passwords.hash(update.password)
            fits = fits_admin(update.password, user.username)
            must_change = True if must_change is None else must_change
        change = UserUpdate(
            update.role,
            update.disabled,
            must_change,
            hashed,
            update.email,
            update.name,
            update.phone,
            fits,
        )
        try:
            return _view(self._sync.change(user_changes.update, user_id, change, utc_now()))
        except IntegrityError:
            raise Conflict("the email is taken") from None

    def remove(self, user_id: str) -> None:
        """Delete a user; their tokens and keys are revoked.

        Raises `NotFound` and `LastAdmin`.
        """
        if not self._sync.change(user_changes.delete, user_id):
            raise NotFound("no such user")

    def _page(self, listed_as: str, query: PageQuery, invited_by: str | None) -> Page[User]:
        after = decode_text_cursor(listed_as, query.cursor)
        rows = self._database.read(
            users.list_by_name, query.limit + 1, after, invited_by=invited_by
        )
        listed, more = rows[: query.limit], rows[query.limit :]
        cursor = encode_text_cursor(listed_as, listed[-1].username) if more else None
        return Page(
            data=[user_view(user) for user in listed],
            pagination=Pagination(limit=query.limit, next_cursor=cursor),
        )


def _view(user: models.User | None) -> User:
    if user is None:
        raise NotFound("no such user")
    return user_view(user)

"""Sessions that begin with verified credentials, and the tokens that are issued for them."""

from __future__ import annotations

from typing import NamedTuple

from backend.client_networks import network_of
from backend.errors import InvalidCredentials
from backend.identity.device_tokens import DeviceTokens
from backend.identity.token_rotation import TokenRotation
from backend.identity.token_status import TokenStatus
from backend.identity.tokens import AccessTokens
from backend.identity.user_view import user_view
from backend.schemas.auth import Tokens
from backend.store import Database, models, sessions
from backend.store.refresh_tokens import NO_DEVICE, Device


class VerifiedLogin(NamedTuple):
    """User whose credentials were just verified, and from where; `rehashed` as in `Login`."""

    user: models.User
    address: str
    user_agent: str
    device: Device = NO_DEVICE
    rehashed: str | None = None
    fits_admin: bool = False


class SessionIssuer:
    """Opens sessions and issues their tokens."""

    def __init__(
        self,
        database: Database,
        tokens: AccessTokens,
        rotation: TokenRotation,
        token_status: TokenStatus,
        device_tokens: DeviceTokens,
    ) -> None:
        self._database = database
        self._tokens = tokens
        self._rotation = rotation
        self._token_status = token_status
        self._device_tokens = device_tokens

    def open(self, login: VerifiedLogin, *, fresh: bool) -> Tokens:
        """Open a session; raises `InvalidCredentials` for a user that has changed meanwhile.

        With `fresh` the access token counts as a step-up.
        """
        user, device = login.user, login.device
        refresh_token, stored = self._rotation.issue(
            login.address, login.user_agent, user.role, remembered=device.remembered
        )
        network = network_of(login.address)
        row = sessions.Login(stored, network, device, login.rehashed, login.fits_admin)
        session_id = self._database.write(sessions.create, user, row)
        if session_id is None:
            raise InvalidCredentials(username=user.username)
        return self.grant(user, session_id, refresh_token, fresh=fresh)

    def grant(
        self, user: models.User, session_id: str, refresh_token: str, *, fresh: bool
    ) -> Tokens:
        """Issue an access token of a session, beside its refresh token."""
        view = user_view(user)
        if self._token_status.user(user.id) != view:  # another process has just changed it
            self._database.read(self._token_status.load)
        return Tokens(
            access_token=self._tokens.issue(view, session_id, fresh=fresh),
            expires_in=self._tokens.lifetime_s,
            refresh_token=refresh_token,
            device_token=self._device_tokens.issue(user.username) if fresh else None,
            user=view,
        )

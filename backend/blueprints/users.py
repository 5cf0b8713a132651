"""Routes of user administration, for admins."""

from __future__ import annotations

from flask import Blueprint
from spectree import Response

from backend.identity.users import Profile
from backend.middleware.auth import current_principal, requires, stepped_up
from backend.middleware.rate_limit import limited
from backend.openapi.validation import api
from backend.schemas.auth import OpenSession, SecondFactorState, SessionEnd, User
from backend.schemas.common import Envelope, Page, PageQuery, Problem
from backend.schemas.users import NewUser, Removal, UserChange
from backend.services import services

users = Blueprint("users", __name__, url_prefix="/users")


@users.get("")
@requires("users:read")
@limited("query")
@api.validate(resp=Response(HTTP_200=Page[User], HTTP_403=Problem), tags=["users"])
def list_users(query: PageQuery) -> Page[User]:
    """List all users in the order of their names."""
    return services().identity.users.page(query)


@users.post("")
@requires("users:write")
@stepped_up
@limited("config")
@api.validate(resp=Response(HTTP_201=Envelope[User], HTTP_409=Problem), tags=["users"])
def create_user(json: NewUser) -> tuple[Envelope[User], int, dict[str, str]]:
    """Create a user.

    Unless said otherwise they have to replace the password before they can do anything else.
    """
    user = services().identity.users.create(
        json.username,
        json.password,
        json.role,
        email=json.email,
        profile=Profile(json.name, json.phone),
        must_change_password=json.must_change_password,
    )
    return Envelope(data=user), 201, {"Location": f"/api/v1/users/{user.id}"}


@users.get("/<user_id>")
@requires("users:read")
@limited("query")
@api.validate(resp=Response(HTTP_200=Envelope[User], HTTP_404=Problem), tags=["users"])
def get_user(user_id: str) -> Envelope[User]:
    """Show a user."""
    return Envelope(data=services().identity.users.get(user_id))


@users.patch("/<user_id>")
@requires("users:write")
@stepped_up
@limited("config")
@api.validate(
    resp=Response(HTTP_200=Envelope[User], HTTP_404=Problem, HTTP_409=Problem), tags=["users"]
)
def change_user(user_id: str, json: UserChange) -> Envelope[User]:
    """Change a user's role, profile, address or password, or whether they may log in.

    The last admin who may log in stays one. A new role takes force at once: tokens of the old
    one have to be refreshed, and streams end. A new admin has to replace a password that is not
    known to meet the rules for admins, before anything else.
    """
    return Envelope(data=services().identity.users.change(user_id, json))


@users.delete("/<user_id>")
@requires("users:write")
@stepped_up
@limited("config")
@api.validate(
    resp=Response(HTTP_200=Envelope[Removal], HTTP_404=Problem, HTTP_409=Problem), tags=["users"]
)
def remove_user(user_id: str) -> Envelope[Removal]:
    """Delete a user with their sessions and keys; what they did stays in the audit."""
    services().identity.users.remove(user_id)
    return Envelope(data=Removal(id=user_id))


@users.get("/<user_id>/referrals")
@requires("users:read")
@limited("query")
@api.validate(resp=Response(HTTP_200=Page[User], HTTP_404=Problem), tags=["users"])
def list_referrals(user_id: str, query: PageQuery) -> Page[User]:
    """List the users who registered with a user's referral code, in the order of their names."""
    return services().identity.users.referrals(user_id, query)


@users.delete("/<user_id>/second-factor")
@requires("users:write")
@stepped_up
@limited("config")
@api.validate(resp=Response(HTTP_200=Envelope[SecondFactorState], HTTP_404=Problem), tags=["users"])
def remove_users_second_factor(user_id: str) -> Envelope[SecondFactorState]:
    """Remove a user's app, passkeys and recovery codes, when they have lost them."""
    services().identity.second_factors.remove_all(user_id)
    return Envelope(data=SecondFactorState(second_factor=False))


@users.get("/<user_id>/sessions")
@requires("users:read")
@limited("query")
@api.validate(resp=Response(HTTP_200=Page[OpenSession], HTTP_404=Problem), tags=["users"])
def list_users_sessions(user_id: str, query: PageQuery) -> Page[OpenSession]:
    """List where a user is logged in, the newest login first."""
    return services().identity.sessions.page(user_id, current_principal(), query)


@users.delete("/<user_id>/sessions")
@requires("users:write")
@stepped_up
@limited("config")
@api.validate(resp=Response(HTTP_200=Envelope[SessionEnd], HTTP_404=Problem), tags=["users"])
def end_users_sessions(user_id: str) -> Envelope[SessionEnd]:
    """End all sessions of a user, and their streams; they may log in again, and keys go on."""
    services().identity.sessions.revoke_all(user_id)
    return Envelope(data=SessionEnd(ended="everything"))


@users.delete("/<user_id>/sessions/<session_id>")
@requires("users:write")
@stepped_up
@limited("config")
@api.validate(resp=Response(HTTP_200=Envelope[SessionEnd], HTTP_404=Problem), tags=["users"])
def end_users_session(user_id: str, session_id: str) -> Envelope[SessionEnd]:
    """End one session of a user, and its streams."""
    services().identity.sessions.revoke(user_id, session_id)
    return Envelope(data=SessionEnd(ended="session"))

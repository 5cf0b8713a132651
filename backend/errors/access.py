"""Errors of accounts, sessions and keys: known callers who may not do this, or not yet."""

from __future__ import annotations

from backend.errors.requests import Conflict, Forbidden


class PasswordChangeRequired(Forbidden):
    """The caller must set a password of their own before anything else."""

    type = "password_change_required"


class StepUpRequired(Forbidden):
    """The caller must have proved a moment ago who they are."""

    type = "step_up_required"


class LastAdmin(Conflict):
    """Nobody could administer any more."""

    type = "last_admin"

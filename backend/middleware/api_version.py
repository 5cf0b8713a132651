"""Path rewriting of `/api/<rest>` to `/api/v1/<rest>`, before Flask's routing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

BASE = "/api/v1"
_UNVERSIONED = "/api/"


def with_unversioned_paths(application: WSGIApplication) -> WSGIApplication:
    """Wrap an application so that paths without a version mean the present one."""

    def rewritten(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path.startswith(_UNVERSIONED) and not path.startswith(BASE + "/"):
            environ["PATH_INFO"] = f"{BASE}/{path[len(_UNVERSIONED) :]}"
        return application(environ, start_response)

    return rewritten

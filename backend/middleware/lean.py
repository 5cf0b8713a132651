"""Flask without what no route here needs: async views, hosts, sessions, hooks of blueprints."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flask import Flask, Request, Response
from flask.sessions import NullSession, SessionInterface
from werkzeug.routing import Map, MapAdapter, Rule

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

_Known = dict[tuple[str, str], Rule]


class NoSessions(SessionInterface):
    """One empty session for all requests: nobody's state lives in cookies."""

    def __init__(self) -> None:
        self._none = NullSession()

    def open_session(self, app: Flask, request: Request) -> NullSession:
        """Return the one that cannot be written to."""
        return self._none


class Paths(MapAdapter):
    """Finds a request's route; those without variables in their path are found again at once."""

    def __init__(self, routes: Map, known: _Known, path: str, method: str) -> None:
        super().__init__(routes, "", "", "", "http", path, method)
        self._known = known

    def match(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - Werkzeug's own
        """Return the rule and the path's variables."""
        if args or kwargs != {"return_rule": True}:
            return super().match(*args, **kwargs)
        key = (self.default_method, self.path_info)
        rule = self._known.get(key)
        if rule is not None:
            return rule, {}
        found: Any = super().match(return_rule=True)
        if not found[0].arguments:  # so many as there are routes, whatever clients ask for
            self._known[key] = found[0]
        return found


class LeanFlask(Flask):
    """What Flask does for each request and nothing here uses costs a third of an empty one."""

    session_interface = NoSessions()

    def __init__(self, name: str) -> None:
        super().__init__(name, static_folder=None)
        self._known: _Known = {}

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return it as it is: no view is async."""
        return func

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Match by path alone: no route depends on the host."""
        if request is None:
            return None
        return Paths(self.url_map, self._known, request.path, request.method)

    def preprocess_request(self) -> ResponseReturnValue | None:
        """Ask the app's own hooks: no blueprint has any."""
        for check in self.before_request_funcs.get(None, ()):
            answer: Any = check()
            if answer is not None:
                return answer  # type: ignore[no-any-return]
        return None

    def process_response(self, response: Response) -> Response:
        """Show the answer to the app's own hooks: no blueprint has any."""
        for look in reversed(self.after_request_funcs.get(None, ())):
            response = look(response)
        return response

    def do_teardown_request(self, exc: BaseException | None = None) -> None:
        """Do nothing: nothing here hangs on a request."""

    def do_teardown_appcontext(self, exc: BaseException | None = None) -> None:
        """Do nothing: nothing here hangs on a context."""

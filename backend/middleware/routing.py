"""Flask without what no route here needs: async views, hosts, sessions, hooks of blueprints."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flask import Flask, Request, Response
from flask.sessions import NullSession, SessionInterface
from werkzeug.routing import Map, MapAdapter, Rule

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue


class LeanRequest(Request):
    """A request that never holds files: there are none to close after it."""

    def close(self) -> None:
        """Do nothing."""


class NoSessions(SessionInterface):
    """One empty session for all requests: nobody's state lives in cookies."""

    def __init__(self) -> None:
        self._none = NullSession()

    def open_session(self, app: Flask, request: Request) -> NullSession:
        """Return the one that cannot be written to."""
        return self._none


class Found:
    """What has become of looking for a route without variables, for all who ask for it again."""

    __slots__ = ("_rule",)

    def __init__(self, rule: Rule) -> None:
        self._rule = rule

    def match(self, *, return_rule: bool) -> tuple[Rule, dict[str, Any]]:
        """Return the rule and the path's variables, as Flask asks for them."""
        return self._rule, {}


_Known = dict[tuple[str, str], Found]


class Paths(MapAdapter):
    """Finds a request's route; those without variables are noted, as many as there are routes."""

    def __init__(self, routes: Map, known: _Known, path: str, method: str) -> None:
        super().__init__(routes, "", "", "", "http", path, method)
        self._known = known
        self._path = path

    def match(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - Werkzeug's own
        """Return the rule and the path's variables."""
        found: Any = super().match(*args, **kwargs)
        # not what Flask answers OPTIONS with: it asks the map for more
        if kwargs == {"return_rule": True} and self.default_method != "OPTIONS":
            rule = found[0]
            if rule.rule == self._path:  # clients can write the same path in more ways
                self._known[self.default_method, self._path] = Found(rule)
        return found


class LeanFlask(Flask):
    """What Flask does for each request and nothing here uses costs a third of an empty one."""

    request_class = LeanRequest
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
        path, method = request.path, request.method
        known = self._known.get((method, path))
        if known is not None:
            return known  # type: ignore[return-value]  # all that is asked of it
        return Paths(self.url_map, self._known, path, method)

    def full_dispatch_request(self) -> Response:
        """Do what Flask does but for its signals: nobody listens."""
        try:
            answer = self.preprocess_request()
            if answer is None:
                answer = self.dispatch_request()
        except Exception as error:
            answer = self.handle_user_exception(error)
        return self.process_response(self.make_response(answer))

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

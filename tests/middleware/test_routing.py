"""The backend's Flask: extensions work in it, and kept matches are those that Flask would find."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Blueprint, Flask, after_this_request, request, session, signals, url_for

from backend.middleware.errors import install_errors
from backend.middleware.headers import with_answer_headers
from backend.middleware.routing import BackendFlask

SIGNALS = (
    "request_started",
    "request_finished",
    "request_tearing_down",
    "got_request_exception",
    "appcontext_pushed",
    "appcontext_tearing_down",
    "appcontext_popped",
)


class Recording:
    """A Flask extension that uses each hook and signal, and notes what calls it."""

    def __init__(self, app: Flask, blueprint: Blueprint, *, hooks: bool, sends: bool) -> None:
        self.calls: list[str] = []
        if hooks:
            for owner, name in ((app, "app"), (blueprint, "blueprint")):
                owner.before_request(lambda name=name: self.calls.append(f"before {name}"))
                owner.after_request(lambda answer, name=name: self._after(name, answer))
                owner.teardown_request(lambda error, name=name: self.calls.append(f"end {name}"))
            app.teardown_appcontext(lambda error: self.calls.append("end context"))
        self._receivers = [self._listen(app, name) for name in SIGNALS] if sends else []

    def _after(self, name: str, answer: Any) -> Any:
        self.calls.append(f"after {name}")
        return answer

    def _listen(self, app: Flask, name: str) -> Any:
        def receive(sender: Flask, **given: object) -> None:
            self.calls.append(name)

        getattr(signals, name).connect(receive, app)
        return receive


def small_app(flask: type[Flask], *, hooks: bool = True, sends: bool = True) -> Any:
    app = flask("small")
    blueprint = Blueprint("things", "things")
    blueprint.add_url_rule("/fine", "fine", lambda: "fine")
    blueprint.add_url_rule("/fails", "fails", lambda: 1 // 0)
    blueprint.add_url_rule("/things/<name>", "thing", lambda name: name)
    blueprint.add_url_rule("/where", "where", lambda: url_for("things.thing", name="a"))
    blueprint.add_url_rule("/below/", "below", lambda: "below")
    recording = Recording(app, blueprint, hooks=hooks, sends=sends)
    app.register_blueprint(blueprint)
    install_errors(app)
    app.wsgi_app = with_answer_headers(app.wsgi_app)  # type: ignore[method-assign]
    return app, recording


@pytest.mark.parametrize("hooks", [True, False])
@pytest.mark.parametrize("sends", [True, False])
@pytest.mark.parametrize("path", ["/fine", "/fails", "/things/a", "/nowhere"])
def test_an_extension_is_called_as_flask_calls_it(path: str, hooks: bool, sends: bool) -> None:
    calls = []
    for flask in (Flask, BackendFlask):
        app, recording = small_app(flask, hooks=hooks, sends=sends)
        client = app.test_client()
        answers = [client.get(path).status_code for _ in range(2)]  # the second is kept
        calls.append((answers, recording.calls))
    assert calls[0] == calls[1]
    assert bool(calls[1][1]) == (hooks or sends)


def test_a_defect_is_signalled_and_answered() -> None:
    app, recording = small_app(BackendFlask)
    answer = app.test_client().get("/fails")
    assert (answer.status_code, answer.get_json()["type"]) == (500, "internal_error")
    assert recording.calls.count("got_request_exception") == 1


def test_a_function_for_the_present_request_is_called() -> None:
    app, _ = small_app(BackendFlask, hooks=False)

    @app.before_request
    def mark() -> None:
        after_this_request(lambda answer: answer.headers.add("X-Marked", request.path) or answer)

    assert app.test_client().get("/fine").headers["X-Marked"] == "/fine"


@pytest.mark.parametrize("path", ["/fine", "/things/b"])
def test_urls_are_built_in_a_request(path: str) -> None:
    app, _ = small_app(BackendFlask)
    client = app.test_client()
    for _ in range(2):
        assert client.get("/where", base_url="https://x:1/bot").text == "/bot/things/a"


def test_other_methods_are_answered_as_by_flask() -> None:
    answers = []
    for flask in (Flask, BackendFlask):
        client = small_app(flask)[0].test_client()
        client.get("/fine")
        found = [client.open(p, method=m) for m in ("OPTIONS", "HEAD", "POST") for p in ("/fine",)]
        found.append(client.get("/below?a=1"))
        answers.append([(a.status_code, a.headers.get("Allow"), a.location) for a in found])
    assert answers[0] == answers[1]


def test_there_is_no_session() -> None:
    app, _ = small_app(BackendFlask)
    with app.test_request_context("/fine"), pytest.raises(RuntimeError):
        session["a"] = 1

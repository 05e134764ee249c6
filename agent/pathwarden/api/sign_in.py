"""Routes of the session: who I am, sign in, leave."""

import bottle

from pathwarden.api.access import Gate, Session, cookie_name
from pathwarden.api.guard import BODY
from pathwarden.api.live import json_reply, query
from pathwarden.api.problem import Problem
from pathwarden.model.access import Right

_LONGEST = 1024  # characters of a name, a password or a code
_ADDRESS = "/api/v1/session"


class SignInRoutes:
    """The session of who asks. All methods may run in several threads at once."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def add_to(self, app: bottle.Bottle) -> None:
        """Register the routes."""
        app.get(_ADDRESS, callback=self.told)
        app.post(_ADDRESS, callback=self.sign_in)
        app.delete(_ADDRESS, callback=self.sign_out)

    def told(self) -> bottle.HTTPResponse:
        """What who asks may do, and the token for writes."""
        query()
        environ = bottle.request.environ
        return self._answer(self._gate.session(environ), self._gate.right(environ))

    def sign_in(self) -> bottle.HTTPResponse:
        """`{"name": …, "password": …}`, or `{"code": …}` of a single sign-on."""
        query()
        environ = bottle.request.environ
        given = environ[BODY]
        if set(given) == {"code"}:
            secret, session = self._gate.redeem(environ, _text(given, "code"))
        elif set(given) == {"name", "password"}:
            secret, session = self._gate.sign_in(environ, _text(given, "name"), _text(given, "password"))
        else:
            raise Problem(400, "bad_body", "the body must hold name and password, or code, and nothing else")
        return self._answer(session, session.account.right, cookie=secret)

    def sign_out(self) -> bottle.HTTPResponse:
        """Ends the session; without one nothing happens."""
        query()
        environ = bottle.request.environ
        self._gate.sign_out(environ)
        return self._answer(None, self._gate.right({**environ, "HTTP_COOKIE": ""}), cookie="")

    def _answer(self, session: Session | None, right: Right, cookie: str | None = None) -> bottle.HTTPResponse:
        headers = {}
        if cookie is not None:
            # Without Secure, since the page speaks HTTP; Strict keeps it from requests that other sites cause.
            age = "" if cookie else "; Max-Age=0"
            headers["Set-Cookie"] = f"{cookie_name(bottle.request.environ)}={cookie}; Path=/; HttpOnly; SameSite=Strict{age}"
        return json_reply(
            {
                "signed_in": session is not None,
                "name": session.name if session else None,
                "right": right.name.lower(),
                "token": session.token if session else None,
                "can_sign_in": self._gate.signs_in,
                "suggested": self._gate.suggested,
                "no_password": session is not None and session.account.unguarded,
            },
            200,
            **headers,
        )


def _text(given: dict[str, object], name: str) -> str:
    value = given[name]
    if not isinstance(value, str) or len(value) > _LONGEST:
        raise Problem(400, "bad_parameter", f"{name!r} must be a text of at most {_LONGEST} characters", parameter=name)
    return value

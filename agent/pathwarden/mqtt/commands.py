"""Commands from subscribers: what each means, and what is answered.

Rules.
1. A command is `P/<agent>/cmd/<verb>` with a JSON object, or `P/<agent>/cmd/<verb>/<target>` with one, with nothing or with PRESS, as a
   button of Home Assistant sends.
2. A retained command is not obeyed, since it would come again with each connection; it gets no answer.
3. A command beyond the rate is not obeyed; the first one in a row is answered, since an answer to each would double the flood.
4. Each other command gets one answer. Its `code` is one of `CODES`; they keep their meaning for ever.
   For `add` and `remove` OK means that it is noted: the agent starts anew with it, within half a minute.
5. Nothing that a stranger sends is logged: everything is counted by its outcome.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from pathwarden.engine.pacing import TokenBucket
from pathwarden.model.commands import CODES, ID_LENGTH, MOST_MUTED_S, OK, OPTION_LENGTH
from pathwarden.model.protocols import Additions, Clock
from pathwarden.mqtt.connection import Heard
from pathwarden.mqtt.topics import Topics, can_be_answered_to
from pathwarden.present.instants import rfc3339

_SHOWN = 32
_RATE_PER_S, _BURST = 2.0, 20  # a button for each of 20 targets at once, and then as fast as a person
_PRESS = "PRESS"


class Commanded(Protocol):
    """The part of `Agent` that commands need; called from the publisher's thread, and none of it waits."""

    def target_state(self, tid: str) -> dict[str, object] | None:
        """None if there is no such target."""
        ...

    def trace_now(self, tid: str) -> str:
        """Ask for a trace."""
        ...

    def mute(self, tid: str, for_s: int) -> bool:
        """Notify nothing of a target for so long, 0 ends it."""
        ...

    def pause(self, tid: str, *, paused: bool) -> bool:
        """Probe a target no more but on demand, or again."""
        ...

    def accept_path(self, tid: str) -> bool:
        """Make the route in force the usual one."""
        ...


class _Nothing:
    """Who adds nothing: there is nobody whom the owner could have allowed it."""

    def add(self, _tid: str, _options: Mapping[str, str]) -> tuple[str, str]:
        return "not_allowed", ""

    def remove(self, _tid: str) -> tuple[str, str]:
        return "not_allowed", ""


class Reply(NamedTuple):
    """An answer to send; `correlation` is what the asker wants back, None without."""

    topic: str
    body: dict[str, object]
    correlation: bytes | None


class _Refused(Exception):
    """The command is not obeyed: a code, and what is wrong in a few words."""

    def __init__(self, code: str, detail: str = "") -> None:
        self.code = code
        super().__init__(detail or CODES[code])


class _Asked(NamedTuple):
    verb: str
    target: str
    members: Mapping[str, Any]


class Commands:
    """Obeys commands and makes their answers; the publisher's thread alone calls `answer`."""

    def __init__(self, topics: Topics, agent: Commanded, clock: Clock, additions: Additions | None = None) -> None:
        self.counts = dict.fromkeys(CODES, 0)  # never another key: any thread may read
        self._topics = topics
        self._agent = agent
        self._additions = additions or _Nothing()
        self._clock = clock
        self._bucket = TokenBucket(_RATE_PER_S, _BURST)
        self._flooded = False

    def answer(self, heard: Heard, mono_ns: int) -> Reply | None:
        """Obey what was heard; the answer, or None where silence is one."""
        if heard.retain:
            self.counts["retained"] += 1
            return None
        if not self._bucket.available(mono_ns):
            self.counts["rate_limited"] += 1
            if self._flooded:
                return None
            self._flooded = True
            return self._reply(heard, _Asked("", "", {}), "rate_limited", CODES["rate_limited"])
        self._bucket.take(1, mono_ns)
        self._flooded = False
        verb, _, target = heard.topic.removeprefix(self._topics.commands).partition("/")
        asked = _Asked(verb, target, {})
        try:
            asked = _read(asked, heard.payload)
            code, detail = self._obey(asked), ""
        except _Refused as refused:
            code, detail = refused.code, str(refused)
        self.counts[code] += 1
        return self._reply(heard, asked, code, detail)

    def _obey(self, asked: _Asked) -> str:
        if asked.verb == "add":
            return _done(self._additions.add(asked.target, _options(asked.members)))
        if asked.verb == "remove":
            _only(asked.members, ())
            return _done(self._additions.remove(asked.target))
        if asked.verb not in _VERBS:
            raise _Refused("unknown_verb", f"known are {', '.join(VERBS)}")
        wanted, obey = _VERBS[asked.verb]
        _only(asked.members, wanted)
        if asked.verb != "ping" and self._agent.target_state(asked.target) is None:
            raise _Refused("unknown_target", "" if asked.target else "'target' is missing")
        return obey(self._agent, asked.target, asked.members)

    def _reply(self, heard: Heard, asked: _Asked, code: str, detail: str) -> Reply:
        wanted_id = asked.members.get("id")
        body: dict[str, object] = {
            "v": 1,
            "clock_synced": self._clock.synced(),
            "ts": rfc3339(self._clock.wall_ns()),
            "agent": self._topics.agent,
            "id": wanted_id if _is_id(wanted_id) else None,
            "verb": asked.verb[:_SHOWN] or None,
            "target": asked.target[:_SHOWN] or None,
            "ok": code == OK,
            "code": code,
            "detail": detail or None,
        }
        topic = heard.response_topic
        return Reply(topic if can_be_answered_to(topic, self._topics) else self._topics.reply, body, heard.correlation)


def _read(asked: _Asked, payload: bytes | None) -> _Asked:
    """The command with what its payload says. Raises `_Refused`."""
    if payload is None:
        raise _Refused("too_large")
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        raise _Refused("bad_encoding") from None
    if text in ("", _PRESS):
        return asked
    try:
        members = json.loads(text)
    except (ValueError, RecursionError):
        raise _Refused("bad_json") from None
    if not isinstance(members, dict):
        raise _Refused("bad_json")
    if not _is_id(members.get("id")):
        raise _Refused("bad_parameter", f"'id' must be a number, or a text of at most {ID_LENGTH} characters")
    target = members.get("target", asked.target)
    if not isinstance(target, str) or (asked.target and target != asked.target):
        raise _Refused("bad_parameter", "'target' must be the id of a target, the same as in the topic")
    return _Asked(asked.verb, target, members)


def _only(members: Mapping[str, Any], wanted: tuple[str, ...]) -> None:
    for name in members.keys() - {"id", "target", *wanted}:
        raise _Refused("bad_parameter", f"there is no parameter {name[:_SHOWN]!r} here")


def _options(members: Mapping[str, Any]) -> dict[str, str]:
    """The options of a target, as the configuration writes them."""
    options = {}
    for name, value in members.items():
        if name in ("id", "target"):
            continue
        if len(name) > _SHOWN:
            raise _Refused("bad_parameter", f"there is no option {name[:_SHOWN]!r}")
        if isinstance(value, bool):
            options[name] = str(int(value))
        elif isinstance(value, str | int | float) and len(str(value)) <= OPTION_LENGTH:
            options[name] = str(value)
        else:
            raise _Refused("bad_parameter", f"{name} must be a text, a number, true or false")
    return options


def _done(answer: tuple[str, str]) -> str:
    code, detail = answer
    if code != OK:
        raise _Refused(code, detail)
    return code


def _is_id(value: object) -> bool:
    return value is None or (isinstance(value, int) and abs(value) < 2**63) or (isinstance(value, str) and len(value) <= ID_LENGTH)


def _trace(agent: Commanded, tid: str, _members: Mapping[str, Any]) -> str:
    return OK if agent.trace_now(tid) else "not_watched"


def _pause(agent: Commanded, tid: str, _members: Mapping[str, Any]) -> str:
    return OK if agent.pause(tid, paused=True) else "not_watched"


def _resume(agent: Commanded, tid: str, _members: Mapping[str, Any]) -> str:
    return OK if agent.pause(tid, paused=False) else "not_watched"


def _mute(agent: Commanded, tid: str, members: Mapping[str, Any]) -> str:
    for_s = members.get("for_s")
    if isinstance(for_s, bool) or not isinstance(for_s, int) or not 0 <= for_s <= MOST_MUTED_S:
        raise _Refused("bad_parameter", f"'for_s' must be a whole number from 0 to {MOST_MUTED_S}")
    return OK if agent.mute(tid, for_s) else "not_watched"


def _accept_path(agent: Commanded, tid: str, _members: Mapping[str, Any]) -> str:
    return OK if agent.accept_path(tid) else "no_path"


def _ping(_agent: Commanded, _tid: str, _members: Mapping[str, Any]) -> str:
    return OK


# Each command with the members that only it knows.
_VERBS: dict[str, tuple[tuple[str, ...], Callable[[Commanded, str, Mapping[str, Any]], str]]] = {
    "trace": ((), _trace),
    "pause": ((), _pause),
    "resume": ((), _resume),
    "mute": (("for_s",), _mute),
    "accept_path": ((), _accept_path),
    "ping": ((), _ping),
}
VERBS = (*_VERBS, "add", "remove")

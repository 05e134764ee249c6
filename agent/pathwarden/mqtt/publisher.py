"""What subscribers are told: status, info, states and paths as retained messages, the outbox, and traces if somebody wants them.

Rules.
1. One thread does everything; `state_changed` and `event_stored` only leave a note for it and never wait.
2. While the broker is away, nothing is kept: a new connection is told everything again, then gets the outbox from its oldest row.
3. A retained message is built when it is sent, so it is the newest; one that is refused is counted, and the next round's is the retry.
4. A path goes out when it was confirmed, with the round after it became known whose its hops are, and again to each new connection; its
   figures change with every round, and go with the state.
5. Commands are obeyed as they come; their answers go before anything else.
6. No lock is held while the client is called, since paho's thread calls back with locks of its own.
"""

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping

from pathwarden.errors import OperatorError
from pathwarden.model.protocols import Acknowledge, Agent, AsResult
from pathwarden.model.trace import Trace
from pathwarden.mqtt.announcing import Announcer
from pathwarden.mqtt.commands import Commands, Reply
from pathwarden.mqtt.link import Link
from pathwarden.mqtt.outbox import REASONS, Fail, Outbox, OutboxReader, Sending
from pathwarden.mqtt.payload import TooLong, encode, fit
from pathwarden.mqtt.results import Results
from pathwarden.mqtt.topics import Topics

_LOG = logging.getLogger(__name__)
_PAYLOAD_BYTES = 8192  # Home Assistant keeps at most 16 KiB of attributes, small subscribers have buffers of 8
_INFO_NS = 60_000_000_000
_UNREADABLE_NS = 1_000_000_000  # the history's reader has waited long enough by then
_FAREWELL_NS = 2_000_000_000  # the daemon must end within three seconds
_NOT_AUTHORIZED = 0x87
_REFUSED = 0x80  # reason codes from here on are refusals (MQTT 5, section 2.4)

_Job = tuple[str, str]  # kind of retained message, and the target ('stale': the topic)
_STATUS: _Job = ("status", "")
_INFO: _Job = ("info", "")
_REPLY: _Job = ("reply", "")
_REPLIES = 64  # that wait; commands come slower than that (see `commands`), unless the broker takes nothing


class MqttPublisher:
    """Keeps subscribers up to date; a `Publisher`. With an empty host it does nothing and starts no thread.

    `connect` makes the client around a function that wakes this publisher. `acknowledge` and `fail` tell the store that an event is done,
    or why it never will be; they must not block. `as_result` makes results of traces, None where it is not installed or not wanted.
    """

    def __init__(
        self,
        connect: Callable[[Callable[[], None]], Link],
        topics: Topics,
        agent: Agent,
        reader: OutboxReader,
        acknowledge: Acknowledge,
        fail: Fail,
        commands: Commands,
        announcer: Announcer,
        as_result: AsResult | None = None,
    ) -> None:
        self._topics = topics
        self._agent = agent
        self._reader = reader
        self._commands = commands
        self._announcer = announcer
        self._results = Results(as_result, topics, self._count) if as_result else None
        self._birth_ns: int | None = None
        self._outbox = Outbox(reader, acknowledge, self._counted(fail))
        # Shared with other threads, guarded by the condition.
        self._condition = threading.Condition()
        self._notes: set[_Job] = set()
        self._woken = False
        self._stopping = False
        self._failed: Counter[str] = Counter()
        # Written by the one thread, read by `snapshot`.
        self._session = 0
        self._published = 0
        self._refused_topic = ""
        # The thread's own.
        self._due: dict[_Job, None] = {}
        self._said = ""
        self._flying: dict[int, _Job] = {}
        self._paths: dict[str, tuple[object, ...]] = {}  # what the broker holds, see `path_name`
        self._topic_of: dict[int, str] = {}
        self._info_ns = 0
        self._replies: deque[Reply] = deque(maxlen=_REPLIES)
        self._link = connect(self._wake)
        self._thread = threading.Thread(target=self._run, name="mqtt-publisher", daemon=True)

    def start(self) -> None:
        """Begin; returns at once, whether the broker is there or not."""
        self._thread.start()

    def stop(self) -> None:
        """Publish `offline` and disconnect; takes at most three seconds. If the broker does not answer, its will says so instead."""
        with self._condition:
            self._stopping = True
            self._condition.notify()
        if self._thread.is_alive():
            self._thread.join(3.0)

    def state_changed(self, tid: str) -> None:
        """A target's state and path may have changed."""
        self._note(("state", tid))

    def event_stored(self) -> None:
        """The outbox has something new."""
        self._note(("event", ""))

    def info_changed(self) -> None:
        """The agent's own state has changed in a way that should not wait for the next minute."""
        self._note(_INFO)

    def traced(self, trace: Trace) -> None:
        """There is a new trace."""
        if self._results is not None and self._session:
            self._results.put(trace)
            self._wake()

    def snapshot(self) -> dict[str, object]:
        """State of the connection, for `info`; from any thread.

        `published` counts messages that the broker has accepted since start, `failed` refusals by reason,
        `commands` what was heard by outcome (see `commands.CODES`).
        """
        settings = self._link.settings
        detail = self._link.detail
        if not detail and self._refused_topic:
            detail = f"mqtt.username: the broker refuses messages to {self._refused_topic}; check its access list"
        if not detail and settings.publish_results and self._results is None:
            detail = "mqtt.publish_results: what writes results is not installed; install pathwarden-tools"
        with self._condition:
            failed = dict(self._failed)
        return {
            "enabled": True,
            "connected": self._session != 0 and self._session == self._link.session,
            "protocol": self._link.protocol,
            "host": settings.host,
            "port": settings.port,
            "published": self._published,
            "failed": failed,
            "faults": self._link.faults,
            "commands": dict(self._commands.counts),
            "detail": detail,
        }

    def turn(self, mono_ns: int) -> int:
        """Do what can be done now; the monotonic instant of the next turn, unless something happens before."""
        with self._condition:
            notes, self._notes = self._notes, set()
        next_ns = self._link.tend(mono_ns)
        self._answers(mono_ns)
        if self._link.session != self._session:
            self._greet(self._link.session, mono_ns)
        if not self._session:
            return next_ns
        self._hear(mono_ns)
        self._plan(notes, mono_ns)
        next_ns = min(next_ns, self._info_ns, self._birth_ns or next_ns)
        if (
            self._send_replies()
            and self._send_retained()
            and self._send_events(mono_ns)
            and (self._results is None or self._results.send(self._link))
        ):
            return min(next_ns, self._outbox.next_wakeup() or next_ns)
        return next_ns  # the window is full; the next answer wakes us

    def _note(self, job: _Job) -> None:
        with self._condition:
            self._notes.add(job)
            self._woken = True
            self._condition.notify()

    def _wake(self) -> None:
        with self._condition:
            self._woken = True
            self._condition.notify()

    def _counted(self, fail: Fail) -> Fail:
        def counting(seq: int, reason: str) -> None:
            self._count(reason)
            fail(seq, reason)

        return counting

    def _count(self, reason: str) -> None:
        with self._condition:
            self._failed[reason] += 1

    def _run(self) -> None:
        while self._wait(self._try_turn(time.monotonic_ns())):
            pass
        self._farewell()

    def _try_turn(self, mono_ns: int) -> int:
        """A turn; while the history cannot be read, another one soon. What was due stays due."""
        try:
            due_ns = self.turn(mono_ns)
        except OperatorError as error:
            if str(error) != self._said:
                _LOG.warning("%s", error)
            self._said = str(error)
            return time.monotonic_ns() + _UNREADABLE_NS
        self._said = ""
        return due_ns

    def _wait(self, until_ns: int) -> bool:
        """Wait for an instant or a wake-up; False once the publisher must stop."""
        with self._condition:
            if not self._woken and not self._stopping:
                self._condition.wait(max(0, until_ns - time.monotonic_ns()) / 1e9)
            self._woken = False
            return not self._stopping

    def _hear(self, mono_ns: int) -> None:
        for heard in self._link.take_heard():
            if self._announcer.is_birth(heard):
                self._birth_ns = self._birth_ns or self._announcer.due_ns(mono_ns)
            elif reply := self._commands.answer(heard, mono_ns):
                self._replies.append(reply)

    def _greet(self, session: int, mono_ns: int) -> None:
        """A connection has come up or gone."""
        self._flying.clear()
        self._topic_of.clear()
        self._paths.clear()
        self._due.clear()
        self._replies.clear()
        if self._results is not None:
            self._results.clear()
        self._refused_topic = ""
        self._birth_ns = None
        if session:
            self._outbox.restart()
            self._plan_all(mono_ns)
            self._due.update((("stale", topic), None) for topic in self._announcer.ledger.stale)
        self._session = session  # last: whoever sees it may rely on what is stored from now on being not delayed

    def _plan_all(self, mono_ns: int) -> None:
        """Everything that is retained, for who has just come."""
        tids = [str(state["target"]) for state in self._agent.target_states()]
        self._due.update({_STATUS: None, _INFO: None})
        self._info_ns = mono_ns + _INFO_NS
        if self._announcer.enabled:
            self._due.update((("device", tid), None) for tid in ("", *tids))
        for tid in tids:
            self._plan_target(tid)

    def _plan(self, notes: set[_Job], mono_ns: int) -> None:
        for kind, tid in sorted(notes):
            if kind == "state":
                self._plan_target(tid)
            elif kind == "info":
                self._info_ns = mono_ns
            else:
                self._outbox.stored()
        if self._birth_ns and mono_ns >= self._birth_ns:
            self._birth_ns = None
            self._paths.clear()
            self._plan_all(mono_ns)
        if mono_ns >= self._info_ns:
            self._info_ns = mono_ns + _INFO_NS
            self._due[_INFO] = None

    def _plan_target(self, tid: str) -> None:
        self._due["state", tid] = None
        self._due["path", tid] = None

    def _send_replies(self) -> bool:
        """Answer commands; False if the window is full."""
        while self._replies:
            reply = self._replies[0]
            mid = self._link.publish(reply.topic, encode(reply.body), retain=False, correlation=reply.correlation)
            if mid is None:
                return False
            self._replies.popleft()
            self._flying[mid] = _REPLY
            self._topic_of[mid] = reply.topic
        return True

    def _send_retained(self) -> bool:
        """Send what is due; False if the window is full."""
        for job in list(self._due):
            path = self._agent.path_name(job[1]) if job[0] == "path" else None
            if path is None or self._paths.get(job[1]) != path:  # else the broker holds it
                topic, content = self._message(job)
                if content is not None and not self._send_one(job, topic, content):
                    return False
                if path is not None and content is not None:
                    self._paths[job[1]] = path
            del self._due[job]
        return True

    def _message(self, job: _Job) -> tuple[str, Mapping[str, object] | str | None]:
        kind, tid = job
        if kind == "status":
            return self._topics.status, "online"
        if kind == "info":
            return self._topics.info, self._agent.info()
        if kind == "device":
            return self._announcer.device_topic(tid), self._announcer.device(tid)
        if kind == "stale":
            return tid, ""
        if kind == "state":
            return self._topics.state(tid), self._agent.target_state(tid)
        return self._topics.path(tid), self._agent.target_path(tid)

    def _send_one(self, job: _Job, topic: str, content: Mapping[str, object] | str) -> bool:
        """Hand one retained message over; False if there is no room."""
        try:
            payload = content.encode() if isinstance(content, str) else fit(content, self._limit(topic))
        except TooLong:
            self._count(REASONS[0x95])
            return True
        mid = self._link.publish(topic, payload, retain=True)
        if mid is None:
            return False
        self._flying[mid] = job
        self._topic_of[mid] = topic
        return True

    def _send_events(self, mono_ns: int) -> bool:
        """Send what the outbox has; False if the window is full."""
        while sending := self._outbox.next_row(mono_ns):
            if not self._send_event(sending):
                return False
        return True

    def _send_event(self, sending: Sending) -> bool:
        row = sending.row
        topic = self._topics.event(row.target)
        try:
            payload = fit({**row.body, "delayed": sending.delayed}, self._limit(topic))
        except TooLong:
            self._outbox.failed(row, REASONS[0x95])
            return True
        mid = self._link.publish(topic, payload, retain=False)
        if mid is None:
            return False
        self._outbox.sent(row, mid)
        self._topic_of[mid] = topic
        return True

    def _limit(self, topic: str) -> int:
        theirs = self._link.payload_limit(topic)
        return _PAYLOAD_BYTES if theirs is None else min(_PAYLOAD_BYTES, theirs)

    def _answers(self, mono_ns: int) -> None:
        for session, mid, code in self._link.take_answers():
            if session == self._session and mid in self._topic_of:
                self._answered(mid, code, mono_ns)

    def _answered(self, mid: int, code: int, mono_ns: int) -> None:
        topic = self._topic_of.pop(mid)
        job = self._flying.pop(mid, None)
        if code < _REFUSED:
            self._published += 1
            if topic == self._refused_topic:
                self._refused_topic = ""
        elif code == _NOT_AUTHORIZED and job != _REPLY:  # an asker may want his answer where we may not write
            self._refused_topic = topic
        if job is None:
            self._outbox.answered(mid, code, mono_ns)
        elif job[0] == "path" and code >= _REFUSED:
            self._paths.pop(job[1], None)
        elif job[0] == "stale" and code < _REFUSED:
            self._announcer.ledger.emptied(topic)
        if code >= _REFUSED and (job is not None or code not in (0x90, 0x95, 0x99)):
            self._count(REASONS.get(code, f"0x{code:02x}"))

    def _farewell(self) -> None:
        """Say `offline` and wait until the broker has it; without an answer the connection is cut, and the will says it."""
        session = self._session
        deadline_ns = time.monotonic_ns() + _FAREWELL_NS
        mid = None
        while session and session == self._link.session and time.monotonic_ns() < deadline_ns:
            self._answers(time.monotonic_ns())
            if mid is None:
                mid = self._link.publish(self._topics.status, b"offline", retain=True)
                if mid is not None:
                    self._topic_of[mid] = self._topics.status
                    self._flying[mid] = _STATUS
            elif mid not in self._topic_of:
                break
            with self._condition:
                if not self._woken:
                    self._condition.wait(max(0, deadline_ns - time.monotonic_ns()) / 1e9)
                self._woken = False
        self._link.close(farewell=mid is not None and mid not in self._topic_of)

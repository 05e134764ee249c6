"""Topic names."""

from typing import NamedTuple

from pathwarden.errors import ConfigError

_WILDCARDS = "+#"
# A topic is at most 65,535 bytes long, but brokers set lower limits (AWS: 256 bytes); the rest of our names needs up to 80.
_PREFIX_BYTES = 128


class Topics(NamedTuple):
    """The topics of one agent."""

    prefix: str
    agent: str

    @property
    def status(self) -> str:
        """`online` or `offline`, retained."""
        return f"{self.prefix}/{self.agent}/status"

    @property
    def info(self) -> str:
        """The agent's own state, retained."""
        return f"{self.prefix}/{self.agent}/info"

    @property
    def commands(self) -> str:
        """Where commands come in: the verb follows, and perhaps a target."""
        return f"{self.prefix}/{self.agent}/cmd/"

    @property
    def reply(self) -> str:
        """Where commands are answered whose asker names no other place."""
        return f"{self.prefix}/{self.agent}/reply"

    def state(self, tid: str) -> str:
        """A target's summary, retained."""
        return f"{self.prefix}/{self.agent}/target/{tid}/state"

    def path(self, tid: str) -> str:
        """A target's path, retained."""
        return f"{self.prefix}/{self.agent}/target/{tid}/path"

    def result(self, tid: str) -> str:
        """A target's traces, one by one."""
        return f"{self.prefix}/{self.agent}/target/{tid}/result"

    def event(self, tid: str) -> str:
        """Events of a target; those of the agent itself have the target ''."""
        return f"{self.prefix}/{self.agent}/target/{tid}/event" if tid else f"{self.prefix}/{self.agent}/event"


def topics(prefix: str, agent: str) -> Topics:
    """The topics of an agent below a prefix. Raises `ConfigError` for a prefix that cannot begin a topic (MQTT 5, section 4.7)."""
    problem = _problem(prefix)
    if problem:
        raise ConfigError(f"mqtt.prefix: {prefix!r} {problem}", "use words with '/' between them, such as pathwarden")
    return Topics(prefix, agent)


def can_be_answered_to(topic: str, own: Topics) -> bool:
    """Whether an asker's response topic may be used: a topic that is none of ours, since what stands there has another form."""
    return not _problem(topic) and not f"{topic}/".startswith(f"{own.prefix}/{own.agent}/")


def _problem(prefix: str) -> str:
    if not prefix:
        return "is empty"
    if any(mark in prefix for mark in _WILDCARDS):
        return "has a wildcard (+ or #)"
    if not prefix.isprintable():
        return "has a character that cannot be printed"
    if prefix.startswith("$"):
        return "begins with $, which brokers keep for themselves"
    if "" in prefix.split("/"):
        return "has an empty level"
    if len(prefix.encode()) > _PREFIX_BYTES:
        return f"is longer than {_PREFIX_BYTES} bytes"
    return ""

"""What the publisher needs of a connection."""

from typing import Protocol

from pathwarden.model.settings import MqttSettings
from pathwarden.mqtt.connection import Answer, Heard


class Link(Protocol):
    """The part of `MqttClient` that is needed here."""

    settings: MqttSettings
    faults: int

    @property
    def session(self) -> int:
        """Number of the connection that is up; 0 if none is."""
        ...

    @property
    def protocol(self) -> str | None:
        """`5` or `3.1.1`; None without a connection."""
        ...

    @property
    def detail(self) -> str:
        """One line on what is wrong."""
        ...

    def tend(self, mono_ns: int) -> int:
        """Keep the connection up; the monotonic instant of the next call."""
        ...

    def publish(self, topic: str, payload: bytes, *, retain: bool, correlation: bytes | None = None, qos: int = 1) -> int | None:
        """Hand over a message; its id, or None if there is no room. What comes back to one of QoS 0 means nothing."""
        ...

    def payload_limit(self, topic: str) -> int | None:
        """The broker's limit in bytes."""
        ...

    def take_answers(self) -> list[Answer]:
        """Answers since the last call."""
        ...

    def take_heard(self) -> list[Heard]:
        """Messages heard since the last call."""
        ...

    def close(self, *, farewell: bool) -> None:
        """End for good."""
        ...

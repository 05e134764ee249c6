"""How long a client waits before it tries again: a fleet that loses its broker in one instant must not come back in one."""

import random

from equipment.mqtt_agent import mqtt_settings
from pathwarden.daemon.publishing import read_secret
from pathwarden.mqtt.client import MqttClient
from pathwarden.mqtt.topics import topics

SECOND = 1_000_000_000
AGENTS = 1000
BOUNDS_S = (5, 10, 20, 30, 30)  # of the first wait, the second, …; each is one second at least


def test_waits_spread_and_grow_and_are_bounded(seed: int) -> None:
    random.seed(seed)
    clients = [MqttClient(mqtt_settings(1), topics("pw", f"a{number}"), read_secret, lambda: None) for number in range(AGENTS)]
    for bound_s in BOUNDS_S:
        waits_s = []
        for client in clients:
            client._retry_later(0, "away")
            waits_s.append(client._retry_ns / SECOND)
        assert min(waits_s) >= 1
        assert max(waits_s) <= bound_s
        width_s = (bound_s - 1) / 4
        quarters = [sum(1 + width_s * n <= wait < 1 + width_s * (n + 1) for wait in waits_s) for n in range(4)]
        assert min(quarters) > AGENTS / 6, "no part of the time is left out"

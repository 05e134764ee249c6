"""Home Assistant with its MQTT integration, and what a real daemon published, to be said to it as a broker would."""

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import async_fire_mqtt_message

BASE = "pathwarden/home-rt"
# How the test equipment sets it up, and how quick this machine is.
_NOT_ABOUT_US = ("homeassistant.helpers.frame", "aiohttp_fast_zlib", "asyncio")


class Play:
    """Says messages to Home Assistant; whoever subscribes anew gets what is retained, as from a broker."""

    def __init__(self, hass: HomeAssistant, chapters: dict[str, list[list[str]]]) -> None:
        self._hass = hass
        self._chapters = chapters
        self._retained: dict[str, str] = {}

    async def chapters(self, *names: str) -> None:
        """Chapters of the recording."""
        for name in names:
            for topic, payload in self._chapters[name]:
                await self.say(topic, payload)

    async def say(self, topic: str, payload: str | dict[str, Any], *, retain: bool = False) -> None:
        """One message; `retain` says it as one that was there before."""
        text = payload if isinstance(payload, str) else json.dumps(payload)
        async_fire_mqtt_message(self._hass, topic, text, retain=retain)
        await self._hass.async_block_till_done()
        if topic.endswith("/config"):
            for known, value in self._retained.items():
                async_fire_mqtt_message(self._hass, known, value, retain=True)
            await self._hass.async_block_till_done()
        elif topic.endswith(("/status", "/info", "/state", "/path")) and topic.startswith(BASE):
            self._retained[topic] = text

    def last(self, topic: str, *names: str) -> dict[str, Any]:
        """The last object of a topic in these chapters."""
        return [json.loads(payload) for name in names for at, payload in self._chapters[name] if at == f"{BASE}/{topic}" and payload][-1]

    def heard(self, topic: str, name: str) -> list[str]:
        """Payloads of a topic in a chapter."""
        return [payload for at, payload in self._chapters[name] if at == topic]


@pytest.fixture(scope="session")
def recording() -> dict[str, Any]:
    """What `python -m equipment.mqtt_recording` wrote to the file that the variable names."""
    return json.loads(Path(os.environ["PATHWARDEN_RECORDING"]).read_text(encoding="utf-8"))


@pytest.fixture
def play(hass: HomeAssistant, mqtt_mock: Any, recording: dict[str, Any], caplog: pytest.LogCaptureFixture) -> Iterator[Play]:  # noqa: ARG001
    """Home Assistant listens. Whatever it complains of fails the test."""
    yield Play(hass, recording["chapters"])
    minded = [record for record in caplog.get_records("call") if record.levelno >= logging.WARNING and record.name not in _NOT_ABOUT_US]
    assert [record.getMessage() for record in minded] == []


@pytest.fixture
def expected_lingering_timers() -> bool:
    """Our sensors expire after a while: their timers wait when a test ends."""
    return True

"""The README's automation, word for word, in Home Assistant itself."""

import re
from pathlib import Path
from typing import Any

import yaml
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import async_mock_service

README = Path(__file__).parents[2] / "README.md"
NEW_NAME, OLD_NAME = "event.pathwarden_home_rt_office_event", "event.office_vpn_path"  # see the README: this release knows the old one


async def test_the_automation_tells_what_is_worth_it(hass: HomeAssistant, play: Any, recording: dict[str, Any]) -> None:
    found = re.search(r"```yaml\n(automation:.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    assert found[1].count(NEW_NAME) == 1
    told = async_mock_service(hass, "notify", "notify")
    await play.chapters("start")
    assert await async_setup_component(hass, "automation", yaml.safe_load(found[1].replace(NEW_NAME, OLD_NAME)))
    await hass.async_block_till_done()
    event = recording["events"]["target"]["path_changed"]
    topic = "pathwarden/home-rt/target/office/event"
    await play.say(topic, event | {"notify": False})
    assert told == []
    await play.say(topic, event)
    assert [call.data for call in told] == [{"title": event["title"], "message": event["message"]}]
    await play.chapters("end")
    await play.say("pathwarden/home-rt/status", "online")
    assert len(told) == 1, "who comes again tells nothing again"

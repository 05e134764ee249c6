"""What a subscriber at a real mosquitto makes of the traces that we publish, with RIPE Atlas' own parser."""

from dataclasses import replace
from pathlib import Path

from ripe.atlas.sagan import Result, TracerouteResult

from equipment import mixed
from equipment.broker import Broker
from equipment.fakes import make_settings
from equipment.mqtt_agent import Rig, mqtt_settings
from equipment.schemas import check_message
from equipment.waiting import until
from pathwarden.daemon.publishing import results

WAIT_S = 30.0


def test_every_trace_comes_as_a_result_that_the_parser_takes(tmp_path: Path) -> None:
    traces = [replace(trace, at=trace.at + number * 10**9) for number, (_name, trace) in enumerate(mixed.by_hand())]
    with Broker(tmp_path) as broker, broker.subscribe("pw/#", "watch") as watch:
        mqtt = mqtt_settings(broker.port, publish_results=True)
        as_result = results(replace(make_settings(["site"]), mqtt=mqtt))
        with Rig(mqtt, "site", as_result=as_result) as rig:
            rig.await_connected()
            for number, trace in enumerate(traces, 1):
                rig.publisher.traced(trace)
                # One by one, since more than some dozens at once are more than it keeps.
                until(lambda count=number: len(watch.messages("/result")) == count, f"result {number}", WAIT_S)
            rig.store("site")
            rig.await_empty()
            assert rig.publisher.snapshot()["failed"] == {}
        messages = watch.messages("/result")
    assert {(message.topic, message.retain, message.qos) for message in messages} == {("pw/box/target/site/result", False, 0)}
    for message, trace in zip(messages, traces, strict=True):
        check_message(message.topic, message.payload, "pw")
        parsed = Result.get(message.payload, on_malformation=Result.ACTION_FAIL, on_error=Result.ACTION_IGNORE)
        assert isinstance(parsed, TracerouteResult)
        assert not parsed.is_malformed
        assert (parsed.destination_address, parsed.created_timestamp) == (trace.address or None, trace.at // 10**9)
        assert [hop.index for hop in parsed.hops if not hop.is_error] == [hop.ttl for hop in trace.hops if hop.answers]

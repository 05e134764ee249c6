"""TLS with a real mosquitto: what works, and what each fault is called."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from equipment.broker import Broker
from equipment.certificates import Authority
from equipment.mqtt_agent import FAST, Rig, mqtt_settings
from equipment.waiting import until
from pathwarden.model.settings import MqttSettings
from pathwarden.mqtt.check import sign_in

HERE = "IP:127.0.0.1"
FUTURE = ("20900101000000Z", "20991231000000Z")
PAST = ("20200101000000Z", "20200201000000Z")
UNKNOWN = (
    "mqtt.ca_file: nobody whom this machine trusts has signed the broker's certificate;"
    " put the certificate of its authority into mqtt.ca_file"
)
CLOCK = "mqtt.tls: the broker's certificate is not valid yet by this machine's clock, which is not right yet; waiting for the right time"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def tls_broker(folder: Path, authority: Authority, certificate: tuple[Path, Path], *, wants_ours: bool = False) -> Broker:
    files = f"cafile {authority.ca_file}\ncertfile {certificate[0]}\nkeyfile {certificate[1]}\n"
    return Broker(folder, extra=f"{files}require_certificate {str(wants_ours).lower()}")


def settings(broker: Broker, authority: Authority | None, ours: tuple[Path, Path] | None = None) -> MqttSettings:
    files = {"cert_file": str(ours[0]), "key_file": str(ours[1])} if ours else {}
    return mqtt_settings(broker.port, tls=True, ca_file=str(authority.ca_file) if authority else "", **files)


@pytest.fixture
def broker(tmp_path: Path, authority: Authority) -> Iterator[Broker]:
    with tls_broker(tmp_path, authority, authority.sign("broker", alt=HERE)) as broker:
        yield broker


def test_events_go_over_tls(broker: Broker, authority: Authority) -> None:
    with Rig(settings(broker, authority), "dns") as rig:
        rig.store("dns")
        rig.await_empty()
        assert rig.publisher.snapshot()["detail"] == ""
        assert rig.publisher.snapshot()["protocol"] == "5"
    assert sign_in(settings(broker, authority), None, "other", 5) == ("5", "")


def test_the_broker_wants_a_certificate_of_ours(tmp_path: Path, authority: Authority) -> None:
    with tls_broker(tmp_path, authority, authority.sign("strict", alt=HERE), wants_ours=True) as broker:
        with Rig(settings(broker, authority, authority.sign("box")), "dns") as rig:
            rig.store("dns")
            rig.await_empty()
        with Rig(settings(broker, authority)) as rig:
            rig.await_detail("check mqtt.cert_file")
            assert not rig.publisher.snapshot()["connected"]


@pytest.mark.parametrize(
    ("valid", "alt", "line"),
    [
        (FUTURE, HERE, "mqtt.tls: the broker's certificate is not valid yet; look at its dates"),
        (PAST, HERE, "mqtt.tls: the broker's certificate has expired; renew it"),
        (
            ("20200101000000Z", "20991231000000Z"),
            "DNS:other.example",
            "mqtt.host: the broker's certificate is for another name than 127.0.0.1; set mqtt.host to a name that is in it",
        ),
    ],
)
def test_a_certificate_that_is_no_good(tmp_path: Path, authority: Authority, valid: tuple[str, str], alt: str, line: str) -> None:
    with tls_broker(tmp_path, authority, authority.sign("bad", valid=valid, alt=alt)) as broker:
        with Rig(settings(broker, authority)) as rig:
            rig.await_detail(line)
        assert sign_in(settings(broker, authority), None, "other", 5) == ("", line)


def test_a_signer_whom_nobody_knows(broker: Broker) -> None:
    with Rig(settings(broker, None)) as rig:
        rig.await_detail(UNKNOWN)


def test_a_broker_without_tls(tmp_path: Path, authority: Authority) -> None:
    with Broker(tmp_path) as plain, Rig(settings(plain, authority)) as rig:
        rig.await_detail(
            f"mqtt.tls: 127.0.0.1:{plain.port} does not answer with TLS; set mqtt.tls to 0, or mqtt.port to the broker's port for TLS,"
            " usually 8883"
        )


def test_a_broker_with_tls_asked_without(broker: Broker) -> None:
    with Rig(mqtt_settings(broker.port)) as rig:
        rig.await_detail("mqtt.tls if it speaks TLS")


def test_a_wrong_clock_is_no_alarm(tmp_path: Path, authority: Authority, caplog: pytest.LogCaptureFixture) -> None:
    """The certificate begins in the future of this machine's clock; once the clock is right, it is the broker's fault."""
    right = False
    with (
        tls_broker(tmp_path, authority, authority.sign("early", valid=FUTURE, alt=HERE)) as broker,
        caplog.at_level(logging.WARNING),
        Rig(settings(broker, authority), clock_synced=lambda: right) as rig,
    ):
        rig.await_detail(CLOCK)
        seen = broker.log().count("New connection")
        until(lambda: broker.log().count("New connection") >= seen + 3, "it goes on trying")
        assert [record.message for record in caplog.records].count(CLOCK) == 1, "said once"
        right = True
        rig.await_detail("mqtt.tls: the broker's certificate is not valid yet; look at its dates")


def test_the_clock_becoming_right_ends_the_wait(tmp_path: Path, authority: Authority) -> None:
    right = False
    hours = (3600.0, 3600.0)
    with (
        tls_broker(tmp_path, authority, authority.sign("soon", valid=FUTURE, alt=HERE)) as broker,
        Rig(settings(broker, authority), clock_synced=lambda: right, retry_s=hours) as rig,
    ):
        rig.await_detail(CLOCK)
        right = True
        rig.publisher.info_changed()  # any wake-up will do; without one it looks every five seconds
        rig.await_detail("mqtt.tls: the broker's certificate is not valid yet; look at its dates")


@pytest.mark.parametrize(
    ("option", "line"),
    [
        ("ca_file", "mqtt.ca_file: {file} cannot be used ("),
        ("cert_file", "mqtt.key_file: {file} and {file} cannot be used ("),
    ],
)
def test_a_file_that_is_no_certificate(tmp_path: Path, option: str, line: str) -> None:
    file = tmp_path / "text"
    file.write_text("hello\n")
    files = {"ca_file": str(file)} if option == "ca_file" else {"cert_file": str(file), "key_file": str(file)}
    with Rig(mqtt_settings(1, tls=True, **files), retry_s=FAST) as rig:
        rig.await_detail(line.format(file=file))

"""A target that is tried before it is saved is checked as one of the file is."""

import pytest

from pathwarden.config.draft import draft
from pathwarden.config.load import load
from pathwarden.model.asked import BadOptions
from pathwarden.model.probe import Binding, Method
from pathwarden.model.settings import Source

FILE = """
config defaults 'defaults'
	option queries '5'
config source 'wanb'
	option device 'wwan0'
config target 'cloudflare'
	option host '1.1.1.1'
"""


@pytest.fixture
def settings(tmp_path):
    path = tmp_path / "pathwarden"
    path.write_text(FILE, encoding="utf-8")
    return load(path, hostname="rt", environ={"HOME": "/home/x"}, is_root=False, root=tmp_path)


def test_a_draft_is_read_over_the_defaults(settings):
    target, source = draft(settings, {"host": "192.0.2.9", "method": "tcp", "port": "443", "source": "wanb"}, None)
    assert (target.tid, target.host, target.method, target.port, target.queries) == ("", "192.0.2.9", Method.TCP, 443, 5)
    assert source == settings.sources[0]


def test_the_same_as_a_configured_target_may_be_tried(settings):
    target, source = draft(settings, {"host": "1.1.1.1"}, None)
    assert (target.host, source) == ("1.1.1.1", Source("", Binding()))


@pytest.mark.parametrize("name", ["", "wanb", "wanc"])
def test_a_source_may_be_a_draft_too(settings, name):
    target, source = draft(settings, {"host": "192.0.2.9"} | ({"source": name} if name else {}), {"device": "wwan1", "table": "7"})
    assert (source.name, source.binding.device, source.binding.table) == (name or "source", "wwan1", 7)
    assert target.source == source.name


@pytest.mark.parametrize(
    ("target", "source", "problems"),
    [
        ({}, None, [("host", "is missing; say what to trace")]),
        ({"host": "192.0.2.9", "interval_s": "0"}, None, [("interval_s", "0 is below 1")]),
        ({"host": "192.0.2.9", "hots": "x"}, None, [("hots", "unknown option; did you mean host?")]),
        ({"host": "192.0.2.9", "source": "wamb"}, None, [("source", "there is no source wamb; did you mean wanb?")]),
        ({"host": "192.0.2.9"}, {}, [("source", "says no way out; set interface, device, address, table or fwmark")]),
        ({"host": "192.0.2.9"}, {"table": "0"}, [("source.table", "0 is below 1")]),
        (
            {"host": "192.0.2.9", "method": "tcp"},
            {"device": "a", "interface": "b"},
            [
                ("source.device", "a stands beside interface b; leave out one of the two"),
                ("port", "is missing; tcp needs the port of a service, such as 443"),
            ],
        ),
    ],
)
def test_what_is_wrong_is_told_option_by_option(settings, target, source, problems):
    with pytest.raises(BadOptions) as error:
        draft(settings, target, source)
    assert list(error.value.problems) == problems
    assert [each.problem for each in error.value.wrong] == [problem for _, problem in problems]
    assert {each.section for each in error.value.wrong} <= {"target", "source"}

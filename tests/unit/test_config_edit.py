"""Changing a configuration file as the page does: what people wrote around it stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathwarden.config import uci
from pathwarden.config.book import Book
from pathwarden.config.edit import CannotEdit, put, remove
from pathwarden.config.load import load
from pathwarden.errors import OperatorError
from pathwarden.model.access import Outdated, Wrong

TEXT = """\
# My router.
config agent 'agent'
	option name 'home'   # as on its label

# The resolver of everybody.
config target 'cloudflare'
	# It answers always.
	option host '1.1.1.1'
	option interval_s '60' # often

	option label 'Cloudflare'

# Unknown to us.
config zebra stripes
	list black 'a b'
"""


def test_an_option_changes_in_its_place_and_the_rest_stays():
    made = put(TEXT, "target", "cloudflare", {"host": "1.1.1.1", "interval_s": "120", "queries": "5"})
    assert made == TEXT.replace("'60' # often", "'120' # often").replace("\n\toption label 'Cloudflare'\n", "\toption queries '5'\n\n", 1)


def test_a_new_section_comes_at_the_end():
    made = put(TEXT, "target", "new", {"host": "example.net", "label": "it's", "port": ""})
    assert made == TEXT + "\nconfig target 'new'\n\toption host 'example.net'\n\toption label 'it'\\''s'\n"
    assert put("", "target", "new", {"host": "a"}) == "config target 'new'\n\toption host 'a'\n"
    assert put("# x", "target", "new", {"host": "a"}) == "# x\n\nconfig target 'new'\n\toption host 'a'\n"


def test_a_section_goes_and_what_explains_the_next_one_stays():
    made = remove(TEXT, "target", "cloudflare")
    assert made == TEXT[: TEXT.index("config target")] + TEXT[TEXT.index("\n# Unknown") :]
    with pytest.raises(KeyError):
        remove(made, "target", "cloudflare")


@pytest.mark.parametrize(
    "text",
    [
        "config target 'a'; option host 'x'\n",
        "config target a\n\toption host 'x\ny'\n",
        "config target a\n\toption host x\nconfig agent agent\nconfig target a\n\toption label y\n",
        "config target \\\na\n\toption host x\n",
    ],
)
def test_what_only_people_can_change_is_left_alone(text):
    with pytest.raises(CannotEdit):
        put(text, "target", "a", {"host": "new"})


NAMES = st.from_regex(r"[a-z_]{1,6}", fullmatch=True)
VALUES = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=12)


@given(NAMES, st.dictionaries(NAMES, VALUES, max_size=4), st.dictionaries(NAMES, VALUES, max_size=4))
def test_whatever_is_put_is_read_again(name, first, second):
    made = put(put(TEXT, "target", name, first), "target", name, second)
    found = {(each.type, each.name): dict(each.options) for each in uci.parse(made).sections}
    assert found[("target", name)] == second
    assert found.keys() == {("agent", "agent"), ("target", "cloudflare"), ("zebra", "stripes"), ("target", name)}
    assert uci.parse(remove(made, "target", name)) == uci.parse(remove(TEXT, "target", name) if name == "cloudflare" else TEXT)


@pytest.fixture
def book(tmp_path):
    path = tmp_path / "pathwarden"
    path.write_text(TEXT.partition("# Unknown")[0])
    path.chmod(0o640)
    told = []

    def read(file):
        return load(file, hostname="home", environ={"HOME": "/root"}, is_root=False, root=tmp_path)

    made = Book(path, read, lambda: told.append(path.read_text()), read(path), lambda: made.why)
    made.told, made.path, made.read, made.why = told, path, read, ""
    return made


def said(problems):
    """Option and problem of each, as before they had codes; those of other sections whole."""
    return [(each.option, each.problem) for each in problems]


def codes(problems):
    return [(each.section, each.option, each.code, each.about) for each in problems]


def tag_of(book, kind, name):
    return next(each["tag"] for each in book.shown()[kind] if each["id"] == name)


def test_what_is_right_is_written_and_told(book):
    assert book.put("targets", "new", {"host": "example.net", "source": "up"}) == [
        Wrong("new", "source", "unknown_source", "up", "there is no source up; add config source 'up'")
    ]
    assert book.told == []
    assert book.put("sources", "up", {"device": "wwan0"}) == []
    assert book.put("targets", "new", {"host": "example.net", "source": "up"}) == []
    assert len(book.told) == 2
    assert [each["id"] for each in book.shown()["targets"]] == ["cloudflare", "new"]
    assert [(each["id"], each["options"]) for each in book.shown()["sources"]] == [("up", {"device": "wwan0"})]
    assert {each["section"] for each in book.shown()["schema"]} == {"target", "source", "defaults"}
    assert "# The resolver of everybody." in book.path.read_text()
    assert book.path.stat().st_mode & 0o777 == 0o640
    assert [each.name for each in book.path.parent.iterdir()] == ["pathwarden"]


HALF = "holds half of a surrogate pair, which no file can; leave it out"


@pytest.mark.parametrize(
    ("kind", "name", "options", "problems"),
    [
        ("targets", "cloudflare", {"host": "1.1.1.1", "interval_s": "0"}, [("interval_s", "0 is below 1")]),
        ("targets", "new", {"label": "x"}, [("host", "is missing; say what to trace")]),
        ("targets", "new", {"host": "1.1.1.1", "port": "x"}, [("port", "x is not a whole number; write 0..65535")]),
        ("targets", "new", {"program": "/bin/sh"}, [("program", "is no option here")]),
        ("targets", "new", {"host": "\ud800"}, [("host", HALF)]),
        ("sources", "up", {"device": "wwan0", "address": "1\udfff"}, [("address", HALF)]),
        ("sources", "up", {}, [("", "says no way out; set interface, device, address, table or fwmark")]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_and_nothing_is_written(book, kind, name, options, problems):
    before = book.path.read_text()
    found = book.put(kind, name, options)
    assert said(found) == problems
    assert {each.section for each in found} == {name}
    assert (book.path.read_text(), book.told) == (before, [])


def test_a_source_that_targets_use_does_not_go(book):
    book.put("sources", "up", {"device": "wwan0"})
    book.put("targets", "new", {"host": "example.net", "source": "up"})
    (wrong,) = book.remove("sources", "up")
    assert wrong.line == "pathwarden.new.source: there is no source up; add config source 'up'"
    assert codes([wrong]) == [("new", "source", "unknown_source", "up")]
    assert book.remove("targets", "new") == []
    assert book.remove("sources", "up") == []
    with pytest.raises(KeyError):
        book.remove("sources", "up")


def test_a_file_that_cannot_be_changed_is_said(book, monkeypatch):
    def refuse(*_args):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathwarden.config.book.os.open", refuse)
    with pytest.raises(OperatorError, match=r"cannot be written .Permission denied.; let the daemon's user write it"):
        book.put("targets", "new", {"host": "example.net"})
    monkeypatch.undo()
    book.path.write_text("config target 'a'; option host 'x'\n")
    with pytest.raises(OperatorError, match="a is written there in a way that only people can change; edit it"):
        book.put("targets", "a", {"host": "example.net"})


def test_everything_that_is_wrong_has_a_code(book):
    book.put("sources", "up", {"device": "wwan0"})
    wrong = {"host": "1.1.1.1", "family": "6", "method": "tcp", "interval_s": "5", "first_ttl": "9", "max_ttl": "3", "source": "down"}
    assert codes(book.put("targets", "new", wrong)) == [
        ("new", "first_ttl", "first_above_last", "3"),
        ("new", "family", "other_family", "4"),
        ("new", "port", "port_missing", ""),
        ("new", "interval_s", "too_often", "60"),
        ("new", "source", "unknown_source", "down"),
    ]
    host = book.shown()["targets"][0]["options"]["host"]
    assert ("new", "", "same_target", "cloudflare") in codes(book.put("targets", "new", {"host": host, "interval_s": "77"}))
    assert codes(book.put("targets", "new", {"host": "a b", "queries": "99", "program": "x"})) == [("new", "program", "unknown_option", "")]
    assert codes(book.put("targets", "new", {"host": "a b", "queries": "99"})) == [
        ("new", "host", "bad_value", ""),
        ("new", "queries", "bad_value", ""),
    ]
    assert codes(book.put("sources", "two", {"device": "a", "interface": "wan", "table": "nowhere"})) == [
        ("two", "device", "two_ways", "wan"),
        ("two", "table", "unknown_table", ""),
    ]
    assert codes(book.put("sources", "none", {})) == [("none", "", "no_way_out", "")]


def test_what_was_changed_meanwhile_is_not_lost(book):
    tag = tag_of(book, "targets", "cloudflare")
    book.path.write_text(book.path.read_text().replace("1.1.1.1", "1.0.0.1"))
    for change in (lambda: book.put("targets", "cloudflare", {"host": "9.9.9.9"}, tag), lambda: book.remove("targets", "cloudflare", tag)):
        with pytest.raises(Outdated):
            change()
    with pytest.raises(Outdated):
        book.put("targets", "cloudflare", {"host": "9.9.9.9"}, "")
    assert "1.0.0.1" in book.path.read_text()
    assert book.put("targets", "cloudflare", {"host": "9.9.9.9"}, tag_of(book, "targets", "cloudflare")) == []
    assert book.put("targets", "new", {"host": "example.net"}, "") == []


def test_a_file_that_is_saved_by_hand_at_the_same_instant_keeps_both(book):
    def read(file):
        if file != book.path and "by hand" not in book.path.read_text():
            book.path.write_text(book.path.read_text() + "# by hand\n")
        return book.read(file)

    told = []
    busy = Book(book.path, read, lambda: told.append(1), book.read(book.path), str)
    assert busy.put("targets", "new", {"host": "example.net"}) == []
    text = book.path.read_text()
    assert ("# by hand" in text, "example.net" in text, told) == (True, True, [1])


def test_a_file_that_never_rests_is_left_alone(book):
    def read(file):
        if file != book.path:
            book.path.write_text(book.path.read_text() + "#\n")
        return book.read(file)

    busy = Book(book.path, read, lambda: pytest.fail("nothing was changed"), book.read(book.path), str)
    with pytest.raises(OperatorError, match="is changed all the time; try again when it rests"):
        busy.put("targets", "new", {"host": "example.net"})
    assert "example.net" not in book.path.read_text()


def test_it_tells_whether_the_agent_runs_with_the_file(book):
    def standing():
        return {name: book.shown()[name] for name in ("taken", "wrong")}

    assert standing() == {"taken": True, "wrong": None}
    book.path.write_text(book.path.read_text() + "# only a comment\n")
    assert standing() == {"taken": True, "wrong": None}
    book.put("targets", "new", {"host": "example.net"})
    assert standing() == {"taken": False, "wrong": None}
    book.why = "/etc/pathwarden: no space left; make room"
    assert standing() == {"taken": False, "wrong": "/etc/pathwarden: no space left; make room"}
    book.path.write_text(book.path.read_text().replace("example.net", "a b"))
    assert standing() == {
        "taken": False,
        "wrong": "pathwarden.new.host: a b is neither a host name nor an address; write one like example.net, 192.0.2.1 or 2001:db8::1",
    }


def test_defaults_are_set_wherever_they_stand(book):
    shown = book.shown()
    assert (shown["defaults"], shown["defaults_tag"]) == ({}, "")
    assert book.put("defaults", "defaults", {"interval_s": "60"}, "") == []
    assert book.shown()["defaults"] == {"interval_s": "60"}
    assert codes(book.put("defaults", "defaults", {"queries": "0"})) == [("defaults", "queries", "bad_value", "")]
    assert codes(book.put("defaults", "defaults", {"host": "1.1.1.1"})) == [("defaults", "host", "unknown_option", "")]
    assert codes(book.put("defaults", "defaults", {"method": "tcp"})) == [("cloudflare", "port", "port_missing", "")]
    book.path.write_text(book.path.read_text().replace("config defaults 'defaults'", "config defaults 'usual'"))
    tag = book.shown()["defaults_tag"]
    assert book.put("defaults", "defaults", {"interval_s": "90"}, tag) == []
    assert "config defaults 'usual'" in book.path.read_text()
    with pytest.raises(Outdated):
        book.put("defaults", "defaults", {"interval_s": "91"}, tag)
    book.path.write_text(book.path.read_text().replace("config defaults 'usual'", "config defaults"))
    with pytest.raises(OperatorError, match="defaults is written there in a way that only people can change"):
        book.put("defaults", "defaults", {"interval_s": "91"})

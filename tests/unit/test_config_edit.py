"""Changing a configuration file as the page does: what people wrote around it stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathwarden.config import uci
from pathwarden.config.book import Book
from pathwarden.config.edit import CannotEdit, put, remove
from pathwarden.config.load import load
from pathwarden.errors import OperatorError

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

    made = Book(path, read, lambda: told.append(path.read_text()))
    made.told, made.path = told, path
    return made


def test_what_is_right_is_written_and_told(book):
    assert book.put("targets", "new", {"host": "example.net", "source": "up"}) == [
        ("source", "there is no source up; add config source 'up'")
    ]
    assert book.told == []
    assert book.put("sources", "up", {"device": "wwan0"}) == []
    assert book.put("targets", "new", {"host": "example.net", "source": "up"}) == []
    assert len(book.told) == 2
    assert [each["id"] for each in book.shown()["targets"]] == ["cloudflare", "new"]
    assert book.shown()["sources"] == [{"id": "up", "options": {"device": "wwan0"}}]
    assert {each["section"] for each in book.shown()["schema"]} == {"target", "source"}
    assert "# The resolver of everybody." in book.path.read_text()
    assert book.path.stat().st_mode & 0o777 == 0o640
    assert [each.name for each in book.path.parent.iterdir()] == ["pathwarden"]


@pytest.mark.parametrize(
    ("kind", "name", "options", "problems"),
    [
        ("targets", "cloudflare", {"host": "1.1.1.1", "interval_s": "0"}, [("interval_s", "0 is below 1")]),
        ("targets", "new", {"label": "x"}, [("host", "is missing; say what to trace")]),
        ("targets", "new", {"host": "1.1.1.1", "port": "x"}, [("port", "x is not a whole number; write 0..65535")]),
        ("targets", "new", {"program": "/bin/sh"}, [("program", "is no option here")]),
        ("sources", "up", {}, [("", "says no way out; set interface, device, address, table or fwmark")]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_and_nothing_is_written(book, kind, name, options, problems):
    before = book.path.read_text()
    assert book.put(kind, name, options) == problems
    assert (book.path.read_text(), book.told) == (before, [])


def test_a_source_that_targets_use_does_not_go(book):
    book.put("sources", "up", {"device": "wwan0"})
    book.put("targets", "new", {"host": "example.net", "source": "up"})
    ((option, problem),) = book.remove("sources", "up")
    assert (option, problem) == ("", "pathwarden.new.source: there is no source up; add config source 'up'")
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

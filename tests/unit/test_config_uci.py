"""UCI text: the recorded answers of `uci export`, libuci's odd rules, and round trips."""

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pathwarden.config.uci import Document, Option, Section, UciError, export, parse

CASES = json.loads((Path(__file__).parents[1] / "corpus/uci/export_cases.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_agrees_with_uci_export(case):
    if case["exit"]:
        with pytest.raises(UciError) as caught:
            parse(case["text"])
        assert f"uci: {caught.value}" == case["error"]
    else:
        assert export(parse(case["text"]), case["name"]) == case["export"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('config t a\n\toption x "a\nb\n', 'EOF with unterminated ") at line 3, byte 15'),
        ("package\n", "invalid command) at line 1, byte 0"),
        ("config", "config without name) at line 0, byte 0"),
        ("package", "package without name) at line 0, byte 0"),
        ("c t\no", "option without name) at line 1, byte 0"),
        ("c t\nlist", "option without name) at line 1, byte 0"),
        ("config \n", "insufficient arguments) at line 1, byte 8"),
        ("config ''\n", "insufficient arguments) at line 1, byte 10"),
        ("package a/b\n", "invalid character in name field) at line 1, byte 12"),
        ("config 'a b'\n", "invalid character in type field) at line 1, byte 13"),
        ("config t a\nconfig u a\n", "section of different type overwrites prior section with same name) at line 2, byte 11"),
        ("config t\n\toption 目 1\n", "invalid character in name field) at line 2, byte 12"),
        ("config t\n\toption x '1';\n", "invalid command) at line 2, byte 14"),
        ("config t\n\toption x \\\n b\n", "too many arguments) at line 3, byte 14"),
        ("config t\n\toption x ; option y 2\n", "too many arguments) at line 2, byte 19"),
        ("config t\n\toption x \0\n", "NUL character) at line 2, byte 10"),
    ],
)
def test_error_messages(text, message):
    with pytest.raises(UciError) as caught:
        parse(text)
    assert str(caught.value) == f"Parse error ({message}"


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("option x '1'; option y '2'", [("x", "1"), ("y", "2")]),
        ("option x 1; option y 2", [("x", "1")]),
        ("option x '1'#2", [("x", "1")]),
        ('option x a\'b c\'"d\\""e', [("x", 'ab cd"e')]),
        ("option x a\\\r\nb", [("x", "ab")]),
        ('option x "a\\\nb"', [("x", "ab")]),
        ("option x 'a\n# no comment\nb'", [("x", "a\n# no comment\nb")]),
        ("option x 1\noption y 2\noption x 3", [("x", "3"), ("y", "2")]),
        ("option x 1\noption x ''", [("x", "1")]),
        ("list x 1\noption x 2", [("x", "2")]),
        ("list x ''", [("x", ("",))]),
        ("o x 1\nl y 2", [("x", "1"), ("y", ("2",))]),
        ("option x a\u3000b", [("x", "a\u3000b")]),
    ],
)
def test_rules_of_values(text, options):
    assert [tuple(option) for option in parse("config t\n" + text).sections[0].options] == options


def test_sections_know_their_line():
    lines = [section.line for section in parse("# c\nconfig a\n\toption x '1\n2'\nconfig b\nconfig c").sections]
    assert lines == [2, 5, 6]


names = st.text("abcXYZ019_", min_size=1, max_size=8)
printable = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
filled = printable.filter(bool)
sections = st.builds(
    Section,
    type=st.text("abc-_.09", min_size=1, max_size=8),
    name=st.none() | names,
    options=st.lists(
        st.builds(Option, names, filled | st.lists(printable, min_size=1, max_size=3).map(tuple)), max_size=5, unique_by=lambda o: o.name
    ).map(tuple),
)
documents = st.lists(sections, max_size=5, unique_by=lambda s: s.name or object()).map(lambda s: Document(tuple(s)))


@given(documents)
def test_what_is_exported_reads_back(document):
    assert parse(export(document, "pathwarden")) == document


@given(
    st.text()
    | st.lists(st.sampled_from(["config t", "option x", "list", " ", "\n", "'", '"', "\\", ";", "#", "a", "\r", "\t", "é"])).map("".join)
)
@example("config \\'")
def test_any_text_gives_a_document_or_the_one_error(text):
    try:
        document = parse(text)
    except UciError:
        return
    # `uci export` writes a type as it is, so one of such characters is not read again as it was, or not at all.
    odd = any(set(s.type) & set("'\"\\;#") for s in document.sections)
    assert odd or parse(export(document, "x")) == document

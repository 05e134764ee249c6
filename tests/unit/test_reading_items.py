"""A file taken apart into objects: the same whatever the chunks, and one fault for each thing that is wrong."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathwarden.export.reading.items import MOST_BYTES, MOST_DEPTH, Item, Splitter

texts = st.text(max_size=8) | st.sampled_from(['"', "\\", "{", "]", '\\"', "\n", "é", "経路"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=12,
)
objects = st.lists(st.dictionaries(texts, values, max_size=3), max_size=5)
LINES = "".join(json.dumps({"n": n}) + "\n" for n in range(3))


class Drops:
    """Gives its bytes a few at a time, however many are asked for."""

    def __init__(self, data: bytes, size: int) -> None:
        self._data, self._size, self._at = data, size, 0

    def read(self, size: int, /) -> bytes:
        part = self._data[self._at : self._at + min(size, self._size)]
        self._at += len(part)
        return part


def split(data: bytes | str, size: int = 1 << 16) -> list[Item]:
    return list(Splitter(Drops(data.encode() if isinstance(data, str) else data, size)))


def written(found: list[dict[str, object]], form: str, *, readable: bool) -> bytes:
    dump = {"ensure_ascii": not readable}
    text = {
        "lines": "".join(json.dumps(each, **dump) + "\n" for each in found),
        "list": json.dumps(found, **dump),
        "pretty list": json.dumps(found, indent=2, **dump),
        "flush left": json.dumps(found, indent=0, **dump),
        "one after the other": " ".join(json.dumps(each, indent=1, **dump) for each in found),
        "sequence": "".join("\x1e" + json.dumps(each, **dump) + "\n" for each in found),
        "with a mark": "\ufeff" + json.dumps(found, **dump),
    }[form]
    return text.encode()


forms = st.sampled_from(["lines", "list", "pretty list", "flush left", "one after the other", "sequence", "with a mark"])


@given(objects, forms, st.booleans(), st.integers(1, 40))
def test_every_form_gives_its_objects_whatever_the_chunks(found, form, readable, size):
    data = written(found, form, readable=readable)
    items = split(data, size)
    assert [json.loads(item.data) for item in items] == found
    assert [item.number for item in items] == list(range(1, len(found) + 1))
    for item in items:
        assert data[item.offset : item.offset + len(item.data)] == item.data
        assert data[: item.offset].count(b"\n") == item.line - 1


@given(st.binary(max_size=200) | st.text('{}[]",:\\\n a1\ufeff', max_size=200).map(str.encode), st.integers(1, 40))
def test_any_bytes_give_the_same_items_whatever_the_chunks(data, size):
    items = split(data, size)
    assert items == split(data)
    assert [item.number for item in items] == list(range(1, len(items) + 1))
    for item in items:
        assert bool(item.data) != bool(item.problem)
        assert data[: item.offset].count(b"\n") == item.line - 1


@pytest.mark.parametrize(
    ("data", "line", "problem"),
    [
        ("hello", 1, "no object begins with 'hello'"),
        ("\n\n12, {}", 3, "no object begins with '12, {}'"),
        ("{}]", 1, "no object begins with ']'"),
        ('{"a": [1', 1, "the file ends inside it; it was cut off"),
        ('{"a": "b', 1, "the file ends inside it; it was cut off"),
        ("[{},\n{}", 2, "the file ends inside a list; it was cut off"),
        ('{"a": "b\n"}', 1, "a text in it does not end on its line; it was cut off, or is no JSON"),
        ('{"a":' * 65 + "}" * 65, 1, f"it is nested more than {MOST_DEPTH} deep"),
        ('{"a": "' + "b" * (MOST_BYTES + 70_000) + '"}', 1, "it does not end within 4 MB; it was cut off, or is no trace"),
        ("[" * 100_000, 1, "the file ends inside a list; it was cut off"),
    ],
    ids=["words", "number", "bracket", "cut", "cut text", "cut list", "line end in a text", "deep", "long", "lists"],
)
def test_one_fault_for_what_is_wrong(data, line, problem):
    faults = [item for item in split(data) if item.problem]
    assert [(item.line, item.problem, item.data) for item in faults] == [(line, problem, b"")]


def test_a_line_that_was_cut_off_costs_itself_alone():
    items = split(f'{{"hops": [{{"a": 1}}, {{"b\n{LINES}{{"hops": [{{"a": 1}}, {{\n{LINES}')
    assert [item.line for item in items if item.problem] == [1, 5]
    assert [json.loads(item.data)["n"] for item in items if not item.problem] == [0, 1, 2, 0, 1, 2]


def test_an_object_may_be_as_large_and_as_deep_as_stated():
    large = '{"a": "' + "b" * (MOST_BYTES - 9) + '"}'
    deep = '{"a":' * (MOST_DEPTH - 1) + "{}" + "}" * (MOST_DEPTH - 1)
    assert [item.problem for item in split(large + deep)] == ["", ""]

"""What commands print with: columns as a terminal counts them, and nothing that steers it."""

import argparse

import pytest

from pathwarden.cli.terminal import MORE, Screen, clean, counted, figure, fitted, line_of, rows, span, width

RIGHT_TO_LEFT, ESCAPE = "\u202e", "\x1b[2J"


@pytest.fixture
def screen(monkeypatch):
    def make(columns=40, *, no_color=False):
        monkeypatch.setenv("COLUMNS", str(columns))
        return Screen(argparse.Namespace(no_color=no_color))

    return make


def test_nothing_that_steers_a_terminal_is_left():
    assert clean(f"a{ESCAPE}b{RIGHT_TO_LEFT}c\r\nd\x07\x9b\x00") == "a\ufffd[2Jb\ufffdc  d\ufffd\ufffd\ufffd"
    assert clean("台北 ラベル é") == "台北 ラベル é"


@pytest.mark.parametrize(("text", "columns"), [("abc", 3), ("台北", 4), ("ラベル", 6), ("e\u0301", 1), ("ﾗ", 1), ("", 0)])
def test_width_is_that_of_a_terminal(text, columns):
    assert width(text) == columns


@pytest.mark.parametrize("text", ["", "ab", "abcdefgh", "台北台北台北", "a台北台北", "e\u0301" * 9])
def test_fitted_has_exactly_the_columns(text):
    assert width(fitted(text, 6)) == 6
    assert (MORE in fitted(text, 6)) == (width(text) > 6)


def test_a_table_cuts_its_elastic_columns_and_no_figures():
    table = rows([("NAME", "ID", "RTT"), ("台北" * 20, "i" * 30, "123.4")], right=(2,), elastic=(0, 1), columns=30)
    assert [width(line_of(cells)) for cells in table] == [30, 30]
    assert table[1][2] == "123.4"
    assert table[0][2] == "  RTT"
    assert table[1][0].startswith("台北") and table[1][1].startswith("iiiii")


def test_words_wrap_where_the_screen_ends(screen):
    text = screen(20).wrapped("one two three 台北台北 four five", 4, 10)
    assert text == "one two\n    three 台北台北\n    four five"


def test_colours_need_a_terminal(screen, monkeypatch):
    assert screen().paint("x", "red") == "x"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert screen().paint("x", "red") == "\x1b[31mx\x1b[0m"
    assert screen().paint("x", "") == "x"
    assert screen(no_color=True).paint("x", "red") == "x"
    monkeypatch.setenv("NO_COLOR", "1")
    assert screen().paint("x", "red") == "x"


def test_durations_figures_and_counts():
    assert [span(s) for s in (-3, 0, 59.9, 60, 7199, 86_400 * 400)] == ["0 s", "0 s", "59 s", "1 min", "1 h", "400 d"]
    assert [figure(v, 1) for v in (None, 0, 9.87)] == ["-", "0.0", "9.9"]
    assert [counted(n, "trace") for n in (0, 1, 2)] == ["0 traces", "1 trace", "2 traces"]

"""`pathwarden config`: results on stdout, problems on stderr, exit codes."""

import argparse
import json
from pathlib import Path

import pytest

from pathwarden.cli import config
from pathwarden.config.show import sample


@pytest.fixture
def pathwarden_config(capsys):
    def call(*words, file=None, as_json=False):
        parser = argparse.ArgumentParser()
        config.add_parser(parser.add_subparsers())
        args = parser.parse_args(["config", *map(str, words)])
        args.config, args.json = file, as_json
        code = config.run(args)
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "c"
    path.write_text(
        "config source s\n\toption device eth0\nconfig target a\n\toption host 192.0.2.1\nconfig target b\n\toption host b.example\n"
    )
    return path


def test_check_counts_what_it_read(pathwarden_config, file):
    assert pathwarden_config("check", file) == (0, f"{file}: ok, 2 targets, 1 source\n", "")
    assert pathwarden_config("check", file=file) == (0, f"{file}: ok, 2 targets, 1 source\n", "")


def test_check_of_a_file_without_targets(pathwarden_config, tmp_path):
    (tmp_path / "empty").write_text("")
    assert pathwarden_config("check", tmp_path / "empty") == (0, f"{tmp_path}/empty: ok, the default targets, 0 sources\n", "")


def test_problems_go_to_stderr_one_a_line(pathwarden_config, file):
    file.write_text("config target cloudflare\n\toption host 192.0.2.1\n\toption interval_s 0\n\toption querys 3\n")
    told = "pathwarden.cloudflare.interval_s: 0 is below 1\npathwarden.cloudflare.querys: unknown option; did you mean queries?\n"
    assert pathwarden_config("check", file) == (2, "", told)
    assert pathwarden_config("show", file=file) == (2, "", told)


def test_check_as_json(pathwarden_config, file, tmp_path):
    code, text, told = pathwarden_config("check", file, as_json=True)
    assert (code, told) == (0, "")
    assert json.loads(text) == {"file": str(file), "ok": True, "targets": 2, "sources": 1, "problems": []}
    (tmp_path / "empty").write_text("")
    code, text, _ = pathwarden_config("check", file=tmp_path / "empty", as_json=True)
    assert (code, json.loads(text)["targets"]) == (0, None)
    file.write_text("config target cloudflare\n\toption interval_s 0\n")
    code, text, told = pathwarden_config("check", file, as_json=True)
    assert (code, told) == (2, "")
    problems = ["pathwarden.cloudflare.interval_s: 0 is below 1", "pathwarden.cloudflare.host: is missing; say what to trace"]
    assert json.loads(text) == {"file": str(file), "ok": False, "targets": None, "sources": None, "problems": problems}


def test_show_as_text_and_as_json(pathwarden_config, file):
    code, text, _ = pathwarden_config("show", file=file)
    assert code == 0
    assert "config target 'b'\n\toption host 'b.example'\n" in text
    code, text, _ = pathwarden_config("show", file=file, as_json=True)
    assert code == 0
    assert [target["id"] for target in json.loads(text)["targets"]] == ["a", "b"]


def test_init_prints_the_sample(pathwarden_config):
    assert pathwarden_config("init") == (0, sample(), "")


def test_a_verb_is_required(pathwarden_config, capsys):
    with pytest.raises(SystemExit) as caught:
        pathwarden_config()
    assert caught.value.code == 2
    assert "check|show|init" in capsys.readouterr().err

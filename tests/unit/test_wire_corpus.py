"""Real replies, read field by field. Each file in tests/corpus is a list of {name, af, hex, expect}; for IPv6 also responder, hop_limit."""

import json
from pathlib import Path

import pytest

from pathwarden.wire.probe_codec import decode4, decode6

CORPUS = Path(__file__).parent.parent / "corpus"
FILES = sorted(CORPUS.glob("*.json"))
ENTRIES = [pytest.param(entry, id=f"{path.stem}: {entry['name']}") for path in FILES for entry in json.loads(path.read_text("ascii"))]


def test_the_captured_files_are_there():
    assert {"kernel4.json", "kernel6.json"} <= {path.name for path in FILES}


@pytest.mark.parametrize("entry", ENTRIES)
def test_reply(entry):
    data = bytes.fromhex(entry["hex"])
    reply = decode4(data, 7) if entry["af"] == 4 else decode6(data, entry["responder"], entry["hop_limit"], 7)
    assert reply is not None
    assert reply.at_ns == 7
    assert entry["expect"]
    read = json.loads(json.dumps({field: getattr(reply, field) for field in entry["expect"]}))  # tuples as JSON has them
    assert read == entry["expect"]

"""Real replies, and some made by hand after their RFCs, read field by field.

Each file in tests/corpus is a list of {name, af, hex, expect}; for IPv6 also responder, hop_limit. With `answer` it is no ICMP but a
target's direct answer, for IPv6 of `protocol`. Checksums in handmade.json are 0 where no decoder looks at them.
"""

import json
from pathlib import Path

import pytest

from pathwarden.wire.probe_codec import decode4, decode6, decode_answer4, decode_answer6

CORPUS = Path(__file__).parent.parent / "corpus"
FILES = sorted(CORPUS.glob("*.json"))
ENTRIES = [pytest.param(entry, id=f"{path.stem}: {entry['name']}") for path in FILES for entry in json.loads(path.read_text("ascii"))]


def test_the_files_are_there():
    assert {"kernel4.json", "kernel6.json", "handmade.json"} <= {path.name for path in FILES}


def read(entry):
    data = bytes.fromhex(entry["hex"])
    if entry["af"] == 4:
        return decode_answer4(data, 7) if "answer" in entry else decode4(data, 7)
    where = entry["responder"], entry["hop_limit"], 7
    return decode_answer6(entry["protocol"], data, *where) if "answer" in entry else decode6(data, *where)


@pytest.mark.parametrize("entry", ENTRIES)
def test_reply(entry):
    reply = read(entry)
    assert reply is not None
    assert reply.at_ns == 7
    assert entry["expect"]
    fields = json.loads(json.dumps({field: getattr(reply, field) for field in entry["expect"]}))  # tuples as JSON has them
    assert fields == entry["expect"]

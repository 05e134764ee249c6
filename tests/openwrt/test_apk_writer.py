"""The apk writer against packages that apk's own tool made, byte for byte, and the reader of these tests against the same."""

import json
from pathlib import Path
from typing import Any

import pytest

from equipment import adb
from packager import apk
from packager.tree import Node

CORPUS = Path(__file__).parents[1] / "corpus/apk"
MTIME = 1700000000
MIN = apk.Info(name="demo-min", version="1.2.3-r1")
FULL = apk.Info(
    name="demo-full",
    version="2.0.1-r3",
    description="Demo package with everything: scripts, modes and links (測試)",
    license="GPL-2.0-or-later",
    origin="demo",
    maintainer="Demo Person <demo@example.org>",
    url="https://example.org/demo",
    depends=("libc", "demo-min>=1.2.0-r0", "libc"),
    provides=("demo-virtual", "demo-api=2.0"),
)


def described(name: str) -> dict[str, Any]:
    return json.loads((CORPUS / f"{name}.files.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def text_of(file: dict[str, Any]) -> str:
    if "text_rule" in file:
        return "".join(f"{k:08d} {k * k % 9973:04d}\n" for k in range(5000))
    return file["text"]  # type: ignore[no-any-return]


def nodes(name: str) -> list[Node]:
    found = []
    for file in described(name)["files"]:
        content = text_of(file).encode() if file["type"] == "file" else None
        found.append(Node(file["path"], int(file["mode"], 8), content, file.get("target", "")))
    return found


@pytest.mark.parametrize(("name", "info", "compress"), [("demo-min", MIN, True), ("demo-plain", MIN, False), ("demo-full", FULL, True)])
def test_the_package_is_the_real_tools_byte_for_byte(name: str, info: apk.Info, compress: bool) -> None:
    scripts = described(name)["scripts"]
    real = (CORPUS / f"{name}.apk").read_bytes()
    assert apk.build(info, nodes(name), scripts, MTIME, compress=compress) == real
    # The order in which a folder happens to be listed plays no part.
    assert apk.build(info, nodes(name)[::-1], scripts, MTIME, compress=compress) == real


@pytest.mark.parametrize("name", ["demo-min", "demo-plain", "demo-full"])
def test_the_reader_finds_in_the_real_packages_what_was_put_in(name: str) -> None:
    package, said = adb.read((CORPUS / f"{name}.apk").read_bytes()), described(name)
    assert package.scripts == said["scripts"]
    assert package.folders == {file["path"]: (int(file["mode"], 8), ("root", "root")) for file in said["files"] if file["type"] == "dir"}
    files = {file["path"]: file for file in said["files"] if file["type"] != "dir"}
    assert package.files.keys() == files.keys()
    for path, file in files.items():
        found = package.files[path]
        assert (found.mode, found.size, found.mtime) == (int(file["mode"], 8), file["size"], file["mtime"]), path
        assert found.sha256.hex() == (file["sha256"] or "")
        assert found.target.decode() == file.get("target", "")


@pytest.mark.parametrize("word", ["b (>=1)", "a,", "", ">=1", "a>="])
def test_a_dependency_that_apk_refuses_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="not a dependency"):
        apk.build(apk.Info(name="a", version="1-r1", depends=(word,)), [Node("", 0o755)], {}, MTIME)


@pytest.mark.parametrize("size", [0, 1, 255, 256, 65535, 65536])
def test_texts_of_every_length_are_read_back(size: int) -> None:
    script = "x" * size
    package = adb.read(apk.build(MIN, [Node("", 0o755), Node("empty", 0o644, b"")], {"post-install": script}, 1 << 33))
    assert package.scripts == ({"post-install": script} if size else {})
    assert package.files["empty"].mtime == 1 << 33
    assert package.info["installed-size"] == 1

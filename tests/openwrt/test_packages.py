"""What is in our packages, read as the package managers read it, and that the same checkout always gives the same bytes."""

import ast
import builtins
import io
import json
import os
import re
import subprocess
import symtable
import tokenize
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import pytest

import pathwarden
from equipment import adb, opkg
from equipment.fakes import FakeAgent, FakeClock, FakeReader, make_settings
from equipment.packages import FEED, MTIME, TOP, built, is_archive, modules, packager, secret_key, waitress_folder
from packager import manifest, recipe, vendor
from packager.build import Package, everything
from packager.page import PageError, thin
from packager.rename import shorten
from packager.slim import slim
from pathwarden.api.answers import Answers
from pathwarden.config.show import sample
from pathwarden.daemon.bus import methods

MODES = {"etc/config/pathwarden": 0o600} | dict.fromkeys(
    ("etc/init.d/pathwarden", "etc/uci-defaults/90-pathwarden", "usr/bin/pathwarden"), 0o755
)
SYSTEM = {
    "usr/lib/pathwarden/compile.py",
    "etc/capabilities/pathwarden.json",
    "etc/config/pathwarden",
    "etc/hotplug.d/iface/90-pathwarden",
    "etc/hotplug.d/ntp/30-pathwarden",
    "etc/init.d/pathwarden",
    "etc/uci-defaults/90-pathwarden",
    "lib/upgrade/keep.d/pathwarden",
    "lib/upgrade/pathwarden.sh",
    "usr/bin/pathwarden",
    "usr/share/acl.d/pathwarden.json",
    "usr/share/rpcd/acl.d/pathwarden.json",
}
RECORDS = {f"lib/apk/packages/pathwarden.{kind}" for kind in ("conffiles", "conffiles_static", "list", "rusers")}
TOOLS = {
    "pathwarden/cli/demo.py",
    "pathwarden/cli/replay.py",
    "pathwarden/cli/trace.py",
    "pathwarden/daemon/demo.py",
    "pathwarden/sim/network.py",
}
ARCHIVES = {f"usr/lib/pathwarden/source/{name}-0.1.0-r1.tar.bz2" for name in ("pathwarden", "vendor")}
DEPENDS = ["pathwarden-page", "python3", "python3-bottle", "python3-paho-mqtt", "python3-pyroute2"]


def program() -> dict[str, bytes]:
    """Every module of the checkout, by its path there."""
    folder = TOP / "agent"
    return {str(p.relative_to(folder)): p.read_bytes() for p in (folder / "pathwarden").rglob("*.py")}


def data() -> dict[str, bytes]:
    """Every other file that the program reads, by a count of its own: what the checkout has, and where it must lie."""
    folder = TOP / "agent/pathwarden"
    found = (path for path in folder.rglob("*") if path.suffix in {".sql", ".toml", ".json"})
    return {f"usr/lib/pathwarden/pathwarden/{path.relative_to(folder)}": path.read_bytes() for path in found}


def web() -> dict[str, bytes]:
    """The same for what a browser loads."""
    folder = TOP / "web"
    return {f"usr/share/pathwarden/www/{path.relative_to(folder)}": path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def bare(source: bytes) -> ast.Module:
    """The tree of a module without docstrings, and without annotations that nobody reads."""
    tree = ast.parse(source)
    tree.body = [plain(each) for each in tree.body]
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        elif isinstance(node, ast.arg):
            node.annotation = None
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if ast.get_docstring(node) is not None:
                del node.body[0]
            node.body = [each for each in node.body if not isinstance(each, ast.Pass)]
    return tree


def meaning(tree: ast.Module) -> list[str]:
    """What a module does, with the line of each statement."""
    return [ast.dump(tree), *(f"{node.lineno} {type(node)}" for node in ast.walk(tree) if isinstance(node, ast.stmt))]


def words(name: str, content: bytes) -> list[bytes]:
    """What a file of the page says: its words, without comments; in JavaScript without those that have lines of their own."""
    if name.endswith(".css"):
        first, *others = content.split(b"/*")
        return b" ".join([first, *(other.partition(b"*/")[2] for other in others)]).split()
    kept, inside = [], False
    for line in content.splitlines() if name.endswith(".js") else [content]:
        inside = inside or line.lstrip().startswith(b"/*")
        if not inside and not line.lstrip().startswith(b"//"):
            kept.append(line)
        inside = inside and b"*/" not in line
    return b"\n".join(kept).split()


@pytest.mark.parametrize(
    ("name", "whole", "left"),
    [
        ("a.js", b"// why\nif (a) {\n  b(); // now\n}\n", b"\nif (a) {\nb(); // now\n}\n"),
        ("a.js", b"/** What it does\n * in two lines. */\nx = '/* no */' + `  a ${b}`;\n", b"\n\nx = '/* no */' + `  a ${b}`;\n"),
        ("a.css", b"/* why */\na {\n\tb: c; /* how\n many */\n}\n", b"\na {\nb: c; \n\n}\n"),
        ("a.svg", b"<svg>\n  <g/>\n</svg>\n", b"<svg>\n  <g/>\n</svg>\n"),
    ],
)
def test_the_page_loses_blanks_and_comments_and_no_line(name: str, whole: bytes, left: bytes) -> None:
    assert thin(name, whole) == left


@pytest.mark.parametrize("text", [b"x = `one\n  two`;\n", b"x = 'one \\\n  two';\n"])
def test_a_text_over_several_lines_is_refused_in_the_page(text: bytes) -> None:
    with pytest.raises(PageError, match=r"a\.js:1: a text that goes on in the next line"):
        thin("a.js", text)


def functions(node: ast.AST) -> Iterator[ast.AST]:
    """The functions of a module that are in no other, in their order."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child
        else:
            yield from functions(child)


def give_back(packaged: ast.Module, original: ast.Module, source: bytes) -> None:
    """Give the variables of functions their names again, after it is sure that only such were renamed, each alike in its function."""
    outer = {symbol.get_name() for symbol in symtable.symtable(source.decode(), "module", "exec").get_symbols()}
    for ours, theirs in zip(functions(packaged), functions(original), strict=True):
        names = [[node for node in ast.walk(function) if isinstance(node, ast.Name)] for function in (ours, theirs)]
        pairs = {(short.id, name.id) for short, name in zip(*names, strict=True)}
        assert len({short for short, _ in pairs}) == len({name for _, name in pairs}) == len(pairs), "two names became one, or one two"
        renamed = {name for short, name in pairs if short != name}
        fixed = {node.arg for node in ast.walk(theirs) if isinstance(node, ast.arg)} | outer | set(dir(builtins))
        assert not {*renamed, *(short for short, name in pairs if short != name)} & fixed, "a name that others use, or one of theirs"
        for short, name in zip(*names, strict=True):
            short.id = name.id


def plain(statement: ast.stmt) -> ast.stmt:
    """An assignment at a module's level without its annotation."""
    if not isinstance(statement, ast.AnnAssign) or statement.value is None:
        return statement
    return ast.copy_location(ast.Assign([statement.target], statement.value), statement)


def test_the_ipk_is_what_opkg_unpacks() -> None:
    package = opkg.read(built().ipk)
    assert package.outer == ["debian-binary", "data.tar.gz", "control.tar.gz"]
    assert {(member.uid, member.gid, member.mtime) for member in [*package.data, *package.control.values()]} == {(0, 0, MTIME)}
    kinds = [member.kind for member in package.data]
    assert kinds == sorted(kinds, reverse=True), "folders first"
    folders = [member.name for member in package.data if member.kind == "5"]
    assert folders == sorted(folders)
    assert {member.mode for member in package.data if member.kind == "5"} == {0o755}
    files = {member.name: member for member in package.data if member.kind == "0"}
    assert list(files) == sorted(files)
    parents = {str(parent).strip(".") for name in files for parent in PurePosixPath(name).parents}
    assert parents == set(folders)


def test_both_formats_install_every_file_of_the_program_with_its_mode() -> None:
    ipk = {m.name: (m.mode, m.content) for m in opkg.read(built().ipk).data if m.kind == "0"}
    apk = {name: (file.mode, file.content) for name, file in adb.read(built().apk).files.items()}
    assert {name: apk[name] for name in ipk} == ipk
    assert apk.keys() - ipk.keys() == RECORDS
    found = {name: content for name, content in data().items() if name.endswith(".sql")}
    assert len(found) > 4
    for name, content in found.items():
        assert ipk[name][1] == content, name
    own = {"usr/lib/pathwarden/VERSION", "usr/lib/pathwarden/vendor/waitress/LICENSE.txt"}
    assert ipk.keys() - found.keys() == SYSTEM | own | ARCHIVES
    assert {name: mode for name, (mode, _) in ipk.items() if mode != 0o644} == MODES
    assert ipk["usr/lib/pathwarden/VERSION"][1] == b"0.1.0-r1\n"
    assert (
        b"ZPL" in ipk["usr/lib/pathwarden/vendor/waitress/LICENSE.txt"][1]
        or b"Zope" in ipk["usr/lib/pathwarden/vendor/waitress/LICENSE.txt"][1]
    )


def test_the_page_is_a_package_of_what_a_browser_loads_and_the_program_brings_it() -> None:
    said, files = built().page
    ipk = {m.name: (m.mode, m.content) for m in opkg.read(built().of(said, "ipk")).data if m.kind == "0"}
    apk = adb.read(built().of(said, "apk"))
    assert ipk == {node.path: (0o644, node.content) for node in files}
    assert {name: file.content for name, file in apk.files.items() if not name.startswith("lib/apk/")} == {n.path: n.content for n in files}
    found = web()
    assert ipk.keys() == found.keys()
    for name, content in found.items():
        packed = ipk[name][1]
        assert words(name, packed) == words(name, content), name
        assert packed.count(b"\n") == content.count(b"\n"), name
        assert name.endswith((".js", ".css")) or packed == content, name
    assert said.name in built().recipe.depends
    assert (said.depends, apk.info.get("depends")) == ((), None)


def test_the_tools_are_a_package_of_modules_and_their_data() -> None:
    said, files = built().tools
    ipk, apk = opkg.read(built().of(said, "ipk")), adb.read(built().of(said, "apk"))
    assert [(m.name, m.mode, m.content) for m in ipk.data if m.kind == "0"] == [(node.path, 0o644, node.content) for node in files]
    read = {f"usr/lib/pathwarden/pathwarden/{name}" for name in ("sim/scenarios/demo.toml", "picture/coastline.json", "picture/words.json")}
    assert {node.path: node.content for node in files if not is_archive(node.path)} == {name: data()[name] for name in read}
    assert [node.path for node in files if is_archive(node.path)] == ["usr/lib/pathwarden/source/tools-0.1.0-r1.tar.bz2"]
    assert set(ipk.control) == {"control", "postinst", "postinst-pkg", "prerm", "prerm-pkg"}
    control = opkg.fields(ipk.control["control"].content.decode())
    assert (control["Package"], control["Depends"], control["Version"]) == ("pathwarden-tools", "pathwarden", built().recipe.full_version)
    assert "Require-User" not in control
    assert apk.files.keys() == {node.path for node in files} | {"lib/apk/packages/pathwarden-tools.list"}
    assert apk.info["depends"] == ["pathwarden"]
    assert apk.info["origin"] == "pathwarden"


def test_every_module_is_in_one_package_and_the_main_one_needs_none_of_the_tools() -> None:
    """By what a running interpreter says of it: every module of the main package is imported where no other can be found."""
    main, tools = modules(built().files), modules(built().tools.files)
    assert not main.keys() & tools.keys()
    ours = {path for path in main if path.startswith("pathwarden/")}
    assert ours | tools.keys() == program().keys()
    assert tools.keys() >= TOOLS
    assert ours >= {"pathwarden/cli/doctor.py", "pathwarden/daemon/run.py", "pathwarden/api/server.py"}
    needed = {
        node.module if isinstance(node, ast.ImportFrom) else alias.name
        for path in ours
        for node in ast.walk(ast.parse(main[path]))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert not {f"{(name or '').replace('.', '/')}.py" for name in needed} & tools.keys()


def test_waitress_travels_as_released() -> None:
    found = {path: content for path, content in modules(built().files).items() if path.startswith("waitress/")}
    assert found == {f"waitress/{p.name}": p.read_bytes() for p in (waitress_folder() / "waitress").glob("*.py")}


def test_the_packaged_modules_do_what_those_of_the_checkout_do() -> None:
    packaged = modules(built().files) | modules(built().tools.files)
    for name, content in program().items():
        ours, theirs = bare(packaged[name]), bare(content)
        give_back(ours, theirs, content)
        assert meaning(ours) == meaning(theirs), name
        tokens = tokenize.tokenize(io.BytesIO(packaged[name]).readline)
        assert not [token for token in tokens if token.type == tokenize.COMMENT], name
        assert packaged[name].count(b"\n") == content.count(b"\n"), name


@pytest.mark.parametrize(
    ("whole", "left"),
    [
        (b'"""Doc."""\n\nX = "# no comment"  # a comment\n', b'\n\nX = "# no comment"\n'),
        (b'class A:\n    """Doc\n    in two lines."""\n', b"class A:\n    pass\n\n"),
        (
            b'def f():\n    """\xe5\x8f\xb0."""  # why\n    return "\xe5\x8f\xb0"  # \xe5\x8f\xb0\n',
            b'def f():\n\n    return "\xe5\x8f\xb0"\n',
        ),
        (b'async def f(): "Doc."\n', b'async def f(): "Doc."\n'),
        (b"", b""),
        (
            b"async def f(a: int = 1, *b: str, c: 'C', **d: object) -> None:\n    e: int = a\n",
            b"async def f(a = 1, *b, c, **d) :\n    e: int = a\n",
        ),
        (
            b"def f(\n    a: dict[\n        str, int],\n    b: int,\n) -> int: ...\n",
            b"def f(\n    a: dict[\n        str, int],\n    b,\n) : ...\n",
        ),
        (b"A: int = 1\nB: int\nclass C:\n    d: int = 2\n", b"A = 1\nB: int\nclass C:\n    d: int = 2\n"),
        ("def \u53f0(\u53f0: int) -> str: ...\n".encode(), "def \u53f0(\u53f0) : ...\n".encode()),
    ],
)
def test_slimming_takes_comments_docstrings_and_annotations_and_no_line(whole: bytes, left: bytes) -> None:
    assert slim(whole) == left


@pytest.mark.parametrize(
    ("whole", "left"),
    [
        (b"def f(given):\n    result = given\n    return g(given=result)\n", b"def f(given):\n    a = given\n    return g(given=a)\n"),
        (b"result = 1\ndef f():\n    result = 2\n", None),
        (b"def f():\n    global state\n    state = 2\n", None),
        (b"def f():\n    list = []\n    return list\n", None),
        (b"def f():\n    text = 1\n    return f'{text}'\n", None),
        (b"def f():\n    def inner(): return 1\n    return inner\n", None),
        (b"def f():\n    class C:\n        field = 1\n    return C\n", None),
        (b"def f():\n    import os.path\n    os = os.path\n", None),
        (b"def f(x):\n    match x:\n        case [first, *others]: return others\n", None),
        (b"def f():\n    try: g()\n    except E as error: error = 1\n", None),
        (
            b"def f():\n    a = value = 1\n    return lambda b: value + a + b\n",
            b"def f():\n    a = c = 1\n    return lambda b: c + a + b\n",
        ),
        (b"def f(x):\n    return [each.x for each in x]\n", b"def f(x):\n    return [a.x for a in x]\n"),
        (b"class C:\n    field = 1\n    def f(self):\n        field = self.field\n", None),
        ("def f():\n    \u53f0\u5317 = 1; name = '\u53f0', \u53f0\u5317\n".encode(), "def f():\n    a = 1; b = '\u53f0', a\n".encode()),
    ],
)
def test_only_variables_that_nobody_else_sees_get_short_names(whole: bytes, left: bytes | None) -> None:
    assert shorten(whole) == (whole if left is None else left)


def test_the_control_files_say_what_opkg_asks() -> None:
    package = opkg.read(built().ipk)
    assert set(package.control) == {"control", "conffiles", "postinst", "postinst-pkg", "prerm", "prerm-pkg"}
    assert {name for name, member in package.control.items() if member.mode == 0o755} == set(package.control) - {"control", "conffiles"}
    assert package.control["conffiles"].content == b"/etc/config/pathwarden\n"
    text = package.control["control"].content.decode()
    assert list(opkg.fields(text))[-1] == "Description"
    assert opkg.fields(text) == {
        "Package": "pathwarden",
        "Version": f"{pathwarden.__version__}-r1",
        "Depends": ", ".join(DEPENDS),
        "License": "Apache-2.0 AND ZPL-2.1",
        "Section": "net",
        "Require-User": "pathwarden:pathwarden",
        "SourceDateEpoch": str(MTIME),
        "Maintainer": "Pathwarden maintainers",
        "Architecture": "all",
        "Installed-Size": str(package.data_size),
        "Description": built().recipe.description,
    }


def test_the_apk_says_what_apk_and_openwrts_functions_ask() -> None:
    package = adb.read(built().apk)
    info = dict(package.info)
    assert len(info.pop("id")) == 20
    assert info.pop("installed-size") == sum(file.size for file in package.files.values())
    assert info == {
        "name": "pathwarden",
        "version": f"{pathwarden.__version__}-r1",
        "description": built().recipe.description,
        "arch": "noarch",
        "license": "Apache-2.0 AND ZPL-2.1",
        "origin": "pathwarden",
        "maintainer": "Pathwarden maintainers",
        "depends": DEPENDS,
    }
    assert len(info["description"].encode()) <= 256  # more is cut off by OpenWrt's apk
    assert set(package.scripts) == {"post-install", "post-upgrade", "pre-deinstall"}
    assert set(package.folders.values()) == {(0o755, ("root", "root"))}
    assert {file.owner for file in package.files.values()} == {("root", "root")}
    assert {file.mtime for file in package.files.values()} == {MTIME}
    records = {name.rpartition(".")[2]: package.files[name].content.decode() for name in RECORDS}
    config = package.files["etc/config/pathwarden"]
    assert records["rusers"] == "pathwarden:pathwarden\n"
    assert records["conffiles"] == "/etc/config/pathwarden\n"
    assert records["conffiles_static"] == f"/etc/config/pathwarden {config.sha256.hex()}\n"
    assert records["list"].splitlines() == sorted(f"/{name}" for name in package.files.keys() - RECORDS)


@pytest.mark.parametrize("tar", ["tar", "busybox tar"])
def test_other_programs_unpack_the_ipk_too(tar: str, tmp_path: Path, need: Callable[[str], str]) -> None:
    command = [need(tar.split(maxsplit=1)[0]), *tar.split()[1:], "-xzf"]
    (tmp_path / "package.ipk").write_bytes(built().ipk)
    (tmp_path / "root").mkdir()
    subprocess.run([*command, "package.ipk"], cwd=tmp_path, check=True)
    subprocess.run([*command, "../data.tar.gz"], cwd=tmp_path / "root", check=True)
    installed = {str(p.relative_to(tmp_path / "root")) for p in (tmp_path / "root").rglob("*") if p.is_file()}
    assert installed == {node.path for node in built().files}


def test_two_builds_are_the_same_whoever_builds_where_and_when(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(secret_key(), encoding="ascii")
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(TOP / "packaging"), "SOURCE_DATE_EPOCH": str(MTIME)}
    other = {"TZ": "Pacific/Auckland", "LANG": "C", "PYTHONHASHSEED": "7", "HOME": "/nonexistent"}
    runs = [
        packager("build", "--key", tmp_path / "key", tmp_path / "one", env=env),
        packager("build", "--key", tmp_path / "key", tmp_path / "two", env=env | other, umask=0o077, cwd=tmp_path),
    ]
    assert [run.returncode for run in runs] == [0, 0], runs
    one, two = ({str(p.relative_to(f)): p.read_bytes() for p in f.rglob("*") if p.is_file()} for f in (tmp_path / "one", tmp_path / "two"))
    assert one == two
    assert one == built().made


def test_the_order_and_modes_of_the_checkout_play_no_part(tmp_path: Path) -> None:
    for folder in ("agent/pathwarden", "web", "openwrt/pathwarden"):
        for file in sorted((TOP / folder).rglob("*"), reverse=True):
            if file.is_file() and "__pycache__" not in file.parts:
                copy = tmp_path / file.relative_to(TOP)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(file.read_bytes())
                copy.chmod(0o777)
    assert manifest.files(tmp_path, built().recipe, waitress_folder()) == built().files
    assert manifest.page(tmp_path) == built().page.files
    assert manifest.tools(tmp_path, built().recipe) == built().tools.files


MOST_PACKED = 250_000  # bytes


def test_the_packages_are_as_small_as_promised() -> None:
    ours = [node for node in built().files if not manifest.is_foreign(node)]
    assert len(built().files) - len(ours) == 2, "the library and its licence"
    for name, package in everything([Package(built().recipe, ours), built().page, built().tools], MTIME, None).items():
        assert len(package) <= MOST_PACKED, name


@pytest.mark.parametrize("name", ["acl.json", "capabilities.json"])
def test_json_files_give_the_daemon_these_rights_and_no_more(name: str) -> None:
    given = json.loads((FEED / "files" / name).read_text(encoding="utf-8"))
    if name == "capabilities.json":
        assert given == {key: ["CAP_NET_RAW"] for key in ("bounding", "effective", "ambient", "permitted", "inheritable")}
    else:
        assert given == {
            "user": "pathwarden",
            "access": {"network.interface": {"methods": ["dump"]}, "session": {"methods": ["access", "destroy", "login"]}},
            "listen": ["network.interface"],
            "publish": ["pathwarden"],
            "subscribe": ["network.interface"],
        }


def test_rpcd_lets_readers_read_and_only_writers_do_anything() -> None:
    """Every method that the agent publishes is in exactly one of the two lists."""
    (group,) = json.loads((FEED / "files/rpcd-acl.json").read_text(encoding="utf-8")).values()
    lists = {right: group[right]["ubus"]["pathwarden"] for right in ("read", "write")}
    offered = methods(Answers(FakeAgent(), FakeReader(), make_settings(), FakeClock()), lambda _tid: True)
    assert sorted([*lists["read"], *lists["write"]]) == sorted(offered)
    assert lists["write"] == ["accept_path", "mute", "note", "trace_now"]
    assert all(list(group[right]) == ["ubus"] for right in ("read", "write"))


def test_the_packaged_configuration_is_the_sample_of_the_program() -> None:
    assert (FEED / "files/pathwarden.config").read_text(encoding="utf-8") == sample()


def test_the_unit_for_systemd_starts_what_pip_installs() -> None:
    lines = (TOP / "packaging/pathwarden.service").read_text(encoding="utf-8").splitlines()
    for line in ("Type=notify", "WatchdogSec=60", "AmbientCapabilities=CAP_NET_RAW", "ExecStart=pathwarden run", "DynamicUser=yes"):
        assert line in lines
    assert all(re.fullmatch(r"\[\w+\]|\w+=.+|#.*|", line) for line in lines)


def test_a_changed_or_missing_waitress_is_refused(tmp_path: Path) -> None:
    with pytest.raises(vendor.VendorError, match="there is no waitress"):
        vendor.load(tmp_path)
    (tmp_path / "src/waitress").mkdir(parents=True)
    for node in vendor.load(waitress_folder()):
        name = PurePosixPath(node.path).name
        ((tmp_path if name == "LICENSE.txt" else tmp_path / "src/waitress") / name).write_bytes(node.content or b"")
    assert vendor.load(tmp_path / "src") == vendor.load(waitress_folder())
    with (tmp_path / "src/waitress/task.py").open("ab") as module:
        module.write(b"# one more line\n")
    with pytest.raises(vendor.VendorError, match="as released"):
        vendor.load(tmp_path / "src")


def test_a_stray_file_in_the_program_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no package carries this", encoding="ascii")
    with pytest.raises(manifest.ManifestError, match=r"notes\.txt: a file of this kind is in no package"):
        manifest._copied(tmp_path, "usr", {".py"})


def test_an_incomplete_recipe_is_refused(tmp_path: Path) -> None:
    text = (FEED / "Makefile").read_text(encoding="utf-8")
    for missing, said in (
        ("PKG_VERSION", "PKG_VERSION is missing"),
        ("Package/pathwarden/prerm", "there is no define Package/pathwarden/prerm"),
        ("Package/pathwarden-tools/postinst", "there is no define Package/pathwarden-tools/postinst"),
        ("define Package/pathwarden", "there is no define Package/NAME"),
    ):
        (tmp_path / "Makefile").write_text(text.replace(missing, "OTHER"), encoding="utf-8")
        with pytest.raises(recipe.RecipeError, match=said):
            recipe.read(tmp_path / "Makefile")

"""The file of the page's own accounts, and the command that writes it."""

import io
import os
import stat

import pytest

from pathwarden.api import passwords
from pathwarden.api.passwords import PasswordFile
from pathwarden.cli.main import main
from pathwarden.errors import OperatorError
from pathwarden.model.access import Right


@pytest.fixture
def _cheap(monkeypatch):
    monkeypatch.setattr(passwords, "_N", 2)


@pytest.fixture
def file(tmp_path, _cheap):
    kept = PasswordFile(tmp_path / "passwords")
    kept.set("admin", Right.WRITE, "correct horse")
    kept.set("kid", Right.READ, "look and see")
    return kept


def test_a_hash_costs_what_a_small_router_bears(tmp_path):
    path = tmp_path / "passwords"
    PasswordFile(path).set("admin", Right.WRITE, "correct horse")
    assert path.read_text().startswith("admin:write:scrypt:16384:8:1:")
    assert PasswordFile(path).sign_in("admin", "correct horse")


def test_the_right_password_gets_in_and_no_other(file):
    account = file.sign_in("admin", "correct horse")
    assert (account.right, account.unguarded) == (Right.WRITE, False)
    assert file.right(account.ticket) is Right.WRITE
    assert file.sign_in("kid", "look and see").right is Right.READ
    for name, password in [("admin", ""), ("admin", "correct horse "), ("admin", "look and see"), ("kid", "x"), ("none", ""), ("", ""),
                           ("admin:write", "x"), ("admin", "\ud800")]:  # fmt: skip
        assert file.sign_in(name, password) is None
    assert file.right("admin:write") is Right.NONE
    assert file.right("") is Right.NONE


def test_who_is_not_there_is_found_out_as_dearly_as_who_is(file, monkeypatch):
    costs = []
    derived = passwords._derived
    monkeypatch.setattr(passwords, "_derived", lambda *values: costs.append(values[2:]) or derived(*values))
    for name in ("admin", "nobody"):
        assert file.sign_in(name, "wrong") is None
    assert costs == [(2, 8, 1)] * 2


@pytest.mark.usefixtures("file")
def test_no_secret_stands_in_the_file_and_only_its_owner_reads_it(tmp_path):
    path = tmp_path / "passwords"
    assert "horse" not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    one, other = (line.rpartition(":")[0] for line in path.read_text().splitlines())
    assert one.split(":")[-1] != other.split(":")[-1], "each has a salt of its own"


def test_a_new_password_ends_the_sessions_of_the_old_one(file, tmp_path):
    ticket = file.sign_in("admin", "correct horse").ticket
    kid = file.sign_in("kid", "look and see").ticket
    file.set("admin", Right.WRITE, "battery staple")
    assert file.right(ticket) is Right.NONE
    assert file.right(kid) is Right.READ
    assert file.sign_in("admin", "correct horse") is None
    assert file.sign_in("admin", "battery staple")
    assert [each.name for each in tmp_path.iterdir()] == ["passwords"]


@pytest.mark.parametrize(
    "line",
    [
        "admin", "admin:write:", "admin:all:scrypt:2:8:1:AA==:AA==", "admin:write:scrypt:1048576:8:1:AA==:AA==",
        "a b:write:scrypt:2:8:1:AA==:AA==",
        "admin:write:scrypt:3:8:1:AA==:AA==", "admin:write:scrypt:2:8:100:AA==:AA==", "admin:write:scrypt:2:8:1:AA==:", "admin:write:plain",
        "admin:write:scrypt:2:-8:-1:AA==:AA==", "admin:write:scrypt:2:8:1:é:AA==",
    ],
)  # fmt: skip
def test_what_is_no_account_is_told_with_its_line(tmp_path, line):
    path = tmp_path / "passwords"
    path.write_text(f"{line}\n")
    path.chmod(0o600)
    with pytest.raises(OperatorError, match="line 1 is no account; take it out"):
        PasswordFile(path).sign_in("admin", "x")


def test_a_file_that_everyone_may_read_is_refused(file, tmp_path):
    path = tmp_path / "passwords"
    path.chmod(0o640)
    file.check()  # the daemon's group may
    path.chmod(0o604)
    with pytest.raises(OperatorError, match=f"{path} is open to everyone; chmod 600 {path}"):
        file.check()
    path.unlink()
    with pytest.raises(OperatorError, match=r"cannot be read .No such file or directory.; pathwarden password writes it"):
        file.sign_in("admin", "correct horse")


def run(tmp_path, monkeypatch, text, *words):
    config = tmp_path / "config"
    config.write_text(f"config web\n\toption auth 'password'\n\toption password_file '{tmp_path}/passwords'\n")
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    return main(["--config", str(config), "password", *words])


@pytest.mark.usefixtures("_cheap")
def test_the_command_writes_an_account(tmp_path, monkeypatch, capsys):
    assert run(tmp_path, monkeypatch, "correct horse\n") == 0
    assert run(tmp_path, monkeypatch, "look and see\n", "kid", "--read") == 0
    assert capsys.readouterr().err == (
        f"admin may look and change, by {tmp_path}/passwords\nkid may look, by {tmp_path}/passwords\n"
    )  # fmt: skip
    file = PasswordFile(tmp_path / "passwords")
    assert file.sign_in("admin", "correct horse").right is Right.WRITE
    assert file.sign_in("kid", "look and see").right is Right.READ


@pytest.mark.parametrize(
    ("words", "text", "said"),
    [
        ((), "short\n", "the password has 5 characters; use 8 to 1024"),
        ((), "", "the password has 0 characters; use 8 to 1024"),
        (("a b",), "correct horse\n", "'a b' is not a name here; use 1 to 64 of A-Z, a-z, 0-9 and . _ @ -"),
    ],
)
def test_the_command_says_what_it_cannot_take(tmp_path, monkeypatch, capsys, words, text, said):
    assert run(tmp_path, monkeypatch, text, *words) == 1
    assert capsys.readouterr().err == f"pathwarden: {said}\n"
    assert not (tmp_path / "passwords").exists()


def test_two_passwords_that_differ(tmp_path, monkeypatch, capsys):
    typed = iter(["correct horse", "correct house"])
    monkeypatch.setattr("pathwarden.cli.password.getpass", lambda _prompt: next(typed))
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    config = tmp_path / "config"
    config.write_text(f"config web\n\toption password_file '{tmp_path}/passwords'\n")
    monkeypatch.setattr("sys.stdin", terminal)
    assert main(["--config", str(config), "password"]) == 1
    assert capsys.readouterr().err == "pathwarden: the two are not the same; try again\n"


@pytest.mark.usefixtures("_cheap")
def test_a_folder_that_cannot_be_written(tmp_path):
    with pytest.raises(OperatorError, match=r"cannot be written .No such file or directory.; run it as who may write there"):
        PasswordFile(tmp_path / "none" / "passwords").set("admin", Right.WRITE, "correct horse")


def test_who_owned_the_file_owns_it_still(file, tmp_path, monkeypatch):
    path = tmp_path / "passwords"
    given = []
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    monkeypatch.setattr(os, "chown", lambda *args: given.append(args[1:]))
    file.set("admin", Right.WRITE, "battery staple")
    assert given == [(path.stat().st_uid, path.stat().st_gid)]

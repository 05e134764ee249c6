"""`pathwarden db pack`: where the archive goes, what is said, exit codes."""

import json
from pathlib import Path

import pytest

from pathwarden.cli.main import main
from pathwarden.store.writer import Writer
from storelab.values import record


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    file = tmp_path / "c"
    file.write_text(f"config agent\n\toption db '{tmp_path}/data/history.db'\n")
    return file


def fill(config: Path) -> Path:
    db = config.parent / "data" / "history.db"
    with Writer(db, max_mb=16, boot_id="b") as writer:
        writer.save([record(number=n) for n in range(20)])
    return db


def test_the_archive_goes_where_a_start_looks_for_it(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    db = fill(config)
    assert main(["--config", str(config), "db", "pack"]) == 0
    archive = db.with_name("history.db.upgrade.gz")
    assert capsys.readouterr() == (f"{archive}: 0.00 MB, 20 traces\n", "")
    assert archive.exists()
    assert not list((config.parent / "scratch").iterdir())


def test_the_archive_goes_to_the_file_that_is_named(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    db = fill(config)
    file = config.parent / "file"
    assert main(["--config", str(config), "--json", "db", "pack", str(file)]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "file": str(file),
        "size_bytes": file.stat().st_size,
        "traces": 20,
        "left_out": 0,
    }
    assert [each.name for each in db.parent.iterdir()] == ["history.db"]


def test_errors_are_a_line_with_a_remedy(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", str(config), "db", "pack"]) == 1
    said = f"pathwarden: no history at {config.parent}/data/history.db yet; start the daemon with: pathwarden run\n"
    assert capsys.readouterr() == ("", said)
    fill(config)
    assert main(["--config", str(config), "db", "pack", "/nowhere/file"]) == 1
    said = "pathwarden: cannot write /nowhere/file: no such file or directory; name a place with room that this user may write\n"
    assert capsys.readouterr() == ("", said)
    with pytest.raises(SystemExit) as caught:
        main(["db"])
    assert caught.value.code == 2

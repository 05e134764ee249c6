"""The mark that mwan3 and pbr leave alone."""

import pytest

from pathwarden.net.marks import Marks, mwan3_mark, pbr_mark

PBR = """
config pbr 'config'
	option enabled '1'
	option fw_mask '00ff0000'
	option uplink_mark '00010000'
	list resolver_instance '*'
"""


@pytest.mark.parametrize(
    ("text", "mark"), [("0x3f00\n", 0x3F00), ("0x3F00", 0x3F00), ("3f00", 0x3F00), ("", 0), ("none", 0), ("0x1ffffffff", 0)]
)
def test_mwan3s_whole_mask_means_do_not_touch(text, mark):
    assert mwan3_mark(text) == mark


@pytest.mark.parametrize(
    ("config", "used", "mark"),
    [
        (PBR, (), 0x00FF0000),
        (PBR, (0x10000, 0x20000), 0x00FF0000),
        (PBR, (0xFF0000, 0xFE0000, 0x3F00), 0x00FD0000),
        (PBR.replace("00ff0000", "0x00030000"), (0x10000, 0x20000), 0x00030000),
        (PBR.replace("00ff0000", "30000"), (0x10000, 0x30000), 0x00020000),
        (PBR.replace("00ff0000", "30000"), (0x10000, 0x20000, 0x30000), 0),
        (PBR.replace("option fw_mask '00ff0000'", ""), (), 0x00FF0000),
        (PBR.replace("00ff0000", "all"), (), 0x00FF0000),
        (PBR.replace("enabled '1'", "enabled '0'"), (), 0),
        ("", (), 0),
        ('\toption enabled 1\n\toption fw_mask "ff00"\n', (), 0xFF00),
    ],
)
def test_pbrs_mark_is_one_that_no_interface_has(config, used, mark):
    assert pbr_mark(config, used) == mark


@pytest.fixture
def place(tmp_path):
    asked = []
    marks = Marks(lambda: asked.append(1) or {0xFF0000}, tmp_path / "mmx_mask", tmp_path / "pbr")
    return tmp_path, marks, asked


def test_without_either_there_is_none_and_the_kernel_is_not_asked(place):
    _, marks, asked = place
    marks.refresh()
    assert (marks(), asked) == (0, [])


def test_mwan3_goes_before_pbr_as_soon_as_it_runs(place):
    folder, marks, asked = place
    (folder / "pbr").write_text(PBR)
    marks.refresh()
    assert (marks(), asked) == (0xFE0000, [1])
    (folder / "mmx_mask").write_text("0x3f00\n")
    assert marks() == 0x3F00
    (folder / "mmx_mask").write_text("")
    assert marks() == 0xFE0000
    (folder / "pbr").unlink()
    marks.refresh()
    assert marks() == 0


def test_a_configuration_that_may_not_be_read_counts_as_pbrs_default(place, monkeypatch):
    folder, marks, _ = place
    (folder / "pbr").write_text(PBR.replace("00ff0000", "ff"))

    def refuse(*_args, **_kw):
        raise PermissionError

    monkeypatch.setattr(type(folder), "open", refuse)
    marks.refresh()
    monkeypatch.undo()
    assert marks() == 0xFE0000

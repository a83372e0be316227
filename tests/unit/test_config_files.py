"""Which YAML is in force."""

from pathlib import Path

from config.files import chosen, shipped


def test_the_file_that_was_named_wins(tmp_path):
    """Even where it does not exist: loading it says so."""
    assert chosen("no.yaml", "device.yaml", tmp_path) == Path("no.yaml")


def test_the_installed_file_comes_before_the_shipped_one(tmp_path):
    """What an administrator wrote is what runs."""
    assert chosen(None, "device.yaml", tmp_path) == shipped("device.yaml")
    (tmp_path / "device.yaml").touch()
    assert chosen(None, "device.yaml", tmp_path) == tmp_path / "device.yaml"


def test_both_programs_ship_a_file():
    """Package data that is there."""
    assert shipped("device.yaml").is_file()
    assert shipped("collector.yaml").is_file()

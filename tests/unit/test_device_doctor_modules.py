"""device.doctor.modules: libraries that sensors need, found without being imported."""

import sys
from pathlib import Path

import pytest

from device.doctor import modules
from device.doctor.finding import Level
from device.doctor.needs import Needs
from device.sensors import libraries

NOBODY: frozenset[str] = frozenset()


def test_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is imported; a name that is none is no crash."""
    (tmp_path / "broken_library.py").write_text("raise SystemExit")
    monkeypatch.syspath_prepend(tmp_path)
    needs = Needs(modules=dict.fromkeys(("broken_library", "no_such", "__main__.x"), ("air",)))
    assert modules.look(needs) == {"no_such", "__main__.x"}
    assert "broken_library" not in sys.modules


def test_the_agents_own_folder_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `pip install --target` puts there; not where others may write."""
    (tmp_path / "adafruit_own").mkdir()
    (tmp_path / "adafruit_own/__init__.py").touch()
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(libraries.findable, "__defaults__", (tmp_path,))
    tmp_path.chmod(0o777)
    assert not libraries.is_installed("adafruit_own")
    tmp_path.chmod(0o755)
    assert libraries.is_installed("adafruit_own")


def test_how_it_is_installed() -> None:
    """By the package's usual name, where the agent looks."""
    needs = Needs(modules={"adafruit_scd4x": ("co2",), "adafruit_bme280": ("air",)})
    missing, there = modules.judge(frozenset({"adafruit_scd4x"}), needs, NOBODY)
    assert (missing.level, there.level) == (Level.BAD, Level.GOOD)
    assert missing.message == "adafruit_scd4x is not installed; needed by co2"
    assert "/etc/telegauge/sensors.d adafruit-circuitpython-scd4x\n" in missing.mend


def test_nothing_is_said_twice() -> None:
    """A plain name that nothing reads has its line already."""
    needs = Needs(modules={"adafruit_scd4x": ("co2", "attic")})
    (found,) = modules.judge(frozenset(needs.modules), needs, frozenset({"co2"}))
    assert found.message.endswith("needed by attic")
    assert modules.judge(frozenset(needs.modules), needs, frozenset({"co2", "attic"})) == []

"""device.sensors.buses: one object a bus, and who may have it."""

from pathlib import Path

import pytest

from device.sensors import buses as module
from device.sensors.buses import Buses, I2c, imported
from kit.chips import Bus, bme280


def test_bus_has_one_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Giving back what nobody has is no fault; who waits for it in vain fails, and does not spin."""
    monkeypatch.setattr(module, "_LOCKED_S", 0.01)
    bus = I2c(Bus({0x77: bme280()}))
    assert bus.try_lock()
    with pytest.raises(TimeoutError, match="another sensor"):
        bus.try_lock()
    bus.unlock()
    bus.unlock()
    assert bus.try_lock()
    assert bus.scan() == [0x77]


def test_bus_is_opened_once_and_closed_by_the_last() -> None:
    """However often it is taken; then it is opened anew."""
    buses, made = Buses(), []

    def opened() -> I2c:
        made.append(Bus({}))
        return I2c(made[-1])

    first, second = buses.take("i2c-1", opened), buses.take("i2c-1", opened)
    assert first is second
    buses.give_back("i2c-1", first)
    assert (len(made), made[0].closed) == (1, 0)
    buses.give_back("i2c-1", second)
    assert made[0].closed == 1
    assert buses.take("i2c-1", opened) is not first


def test_bus_that_hangs_is_left_to_itself() -> None:
    """Its other users go on with it; who comes next gets another, and only that is closed."""
    buses, made = Buses(), []

    def opened() -> I2c:
        made.append(Bus({}))
        return I2c(made[-1])

    hung = buses.take("i2c-1", opened)
    buses.take("i2c-1", opened)
    buses.give_back("i2c-1", hung, hangs=True)
    fresh = buses.take("i2c-1", opened)
    assert fresh is not hung
    buses.give_back("i2c-1", hung)
    buses.give_back("i2c-1", fresh)
    assert [each.closed for each in made] == [0, 1]


def test_libraries_print_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What one says while it is imported does not get into a table of ours, nor is it lost."""
    (tmp_path / "chatty_board.py").write_text("print('not fully supported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert imported("chatty_board").__name__ == "chatty_board"
    print("ours")
    assert capsys.readouterr() == ("ours\n", "not fully supported\n")

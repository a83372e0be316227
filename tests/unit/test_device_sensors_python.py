"""One's own Python as a sensor: what it may be, what it may give, and how its errors are told."""

import math
import sys
import textwrap
import threading

import pytest

from device.sensors import SensorError, make, problems, python
from kit.waiting import wait_until


@pytest.fixture
def folder(tmp_path):
    """Where one's own files are; what was loaded from it is forgotten afterwards."""
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith(str(tmp_path))]:
        del sys.modules[name]


@pytest.fixture
def sensor(folder):
    """Makes an adapter of an object in a file; it is closed afterwards."""
    made = []

    def sensor(text, name="tank", **options):
        (folder / "tank.py").write_text(textwrap.dedent(text))
        made.append(make(f"python:tank.{name}", {"folder": str(folder), **options}))
        return made[-1]

    yield sensor
    for each in made:
        each.close()


@pytest.fixture
def found(folder):
    """Says what is wrong with an object in a file, without the path of the folder."""

    def found(text, driver="python:tank.tank", **options):
        (folder / "tank.py").write_text(textwrap.dedent(text))
        told = problems(driver, {"folder": str(folder), **options})
        return [(option, message.replace(f"{folder}/", "")) for option, message in told]

    return found


def opened_and_read(sensor):
    """What the first read gives."""
    sensor.open()
    return sensor.read()


def failing(sensor, kind=SensorError):
    """Why a sensor cannot be opened or read, without its folder."""
    with pytest.raises(kind) as error:
        opened_and_read(sensor)
    assert type(error.value) is kind
    return str(error.value).replace(f"{sensor._folder}/", "")


def test_the_example_of_the_manual_works(sensor, found, tmp_path):
    """As it stands in the module's docstring."""
    text = python.__doc__.partition("    class Tank:")
    example = textwrap.dedent(text[1] + text[2].partition("\n\nThe other options")[0])
    assert len([line for line in example.splitlines() if line.strip()]) <= 8
    raw = tmp_path / "raw"
    raw.write_text("500\n")
    options = {"path": str(raw), "scale": 0.002}
    assert found(example, "python:tank.Tank", **options) == []
    tank = sensor(example, "Tank", **options)
    tank.open()
    assert [(each.name, each.unit) for each in tank.channels] == [("level", "m")]
    assert tank.read() == [("level", 1.0, "m", 0)]
    raw.write_text("250")
    assert tank.read() == [("level", 0.5, "m", 0)]


@pytest.mark.parametrize(
    ("given", "samples"),
    [
        ("21.5", [("value", 21.5, "", 0)]),
        ("True", [("value", 1, "", 0)]),
        ("(21.5, 'degC')", [("value", 21.5, "degC", 0)]),
        ("__import__('decimal').Decimal('0.5')", [("value", 0.5, "", 0)]),
        ("{'t': 21.5, 'h': (40, '%')}", [("t", 21.5, "", 0), ("h", 40, "%", 0)]),
        ("[('t', 21.5), ('h', 40, '%', 1)]", [("t", 21.5, "", 0), ("h", 40, "%", 1)]),
        ("(('t', 21.5), ('h', 40))", [("t", 21.5, "", 0), ("h", 40, "", 0)]),
        ("{}", []),
    ],
)
def test_a_function_gives_numbers_in_any_of_the_forms(sensor, given, samples):
    """A number, a mapping, tuples; a number with its unit in each."""
    assert opened_and_read(sensor(f"def tank(): return {given}")) == samples


@pytest.mark.parametrize(
    "given", ["None", "float('nan')", "{'value': None}", "[('value', 5, '', 135)]"]
)
def test_no_value_is_no_number(sensor, given):
    """None or nan this time; nor has what is bad a value."""
    [sample] = opened_and_read(sensor(f"def tank(): return {given}"))
    assert math.isnan(sample.value)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("'21.5'", "gave `'21.5'`. Accepted: a number, {channel: number} or [(channel,"),
        ("[21.5]", "gave `21.5`. Accepted: a number"),
        ("{'t': [1]}", "gave `[1]`. Accepted: a number"),
        ("float('inf')", "gave an infinite number"),
        ("10**400", "int too large"),
        ("1j", "gave `1j`"),
        ("{'T': 1}", "gave the channel `'T'`: small letters"),
        ("{1: 1}", "gave the channel `1`: small letters"),
        ("{'t': (1, 'm' * 17)}", "for `t`: a text of up to 16 bytes"),
        ("[('t', 1, 5)]", "gave the unit `5` for `t`"),
        ("[('t', 1, '', 256)]", "gave the quality `256` for `t`: 0 to 255"),
        ("[('t', 1, '', 'good')]", "gave the quality `'good'`"),
        ("[('t', 1), ('t', 2)]", "gave one channel twice"),
        ("[('t',)]", "gave `('t',)`"),
        ("{f'c{n}': n for n in range(1001)}", "more than 1000 channels"),
    ],
)
def test_what_is_no_reading_is_told(sensor, given, told):
    """With what was given, and what may be."""
    assert told in failing(sensor(f"def tank(): return {given}"))


def test_options_are_keyword_arguments(sensor):
    """At each read of a function."""
    text = "def tank(a, *, b=2): return {'sum': a + b}"
    assert opened_and_read(sensor(text, a=1)) == [("sum", 3, "", 0)]
    assert opened_and_read(sensor(text, a=1, b=5)) == [("sum", 6, "", 0)]


def test_a_class_is_made_opened_read_and_closed(sensor, folder):
    """In this order, again after a close; its channels grow with what it gives."""
    tank = sensor(
        """
        calls = []
        class Tank:
            def __init__(self): calls.append("made")
            def open(self): calls.append("open")
            def read(self):
                calls.append("read")
                return {"a": 1} if calls.count("read") == 1 else {"b": 2}
            def close(self): calls.append("close")
        """,
        "Tank",
    )
    assert opened_and_read(tank) == [("a", 1, "", 0)]
    first, second = tank.read()
    assert math.isnan(first.value)
    assert second == ("b", 2, "", 0)
    tank.close()
    tank.close()
    with pytest.raises(SensorError, match="not open"):
        tank.read()
    tank.open()
    calls = sys.modules[str(folder / "tank.py")].calls
    assert calls == ["made", "open", "read", "read", "close", "made", "open", "read"]


def test_close_need_not_succeed(sensor):
    """Whatever one's own raises then is too late to matter."""
    tank = sensor(
        "class Tank:\n    def read(self): return 1\n    def close(self): raise SystemExit", "Tank"
    )
    tank.open()
    tank.close()


@pytest.mark.parametrize(
    ("channels", "told"),
    [
        ("['level']", "`channels` must be {channel: unit}"),
        ("{'Level': 'm'}", "`Tank` gave the channel `'Level'`: small letters"),
        ("{'level': None}", "`Tank` gave the unit `None` for `level`"),
    ],
)
def test_channels_are_a_mapping_to_units(sensor, channels, told):
    """With right names and units."""
    text = f"class Tank:\n    channels = {channels}\n    def read(self): return {{}}"
    assert told in failing(sensor(text, "Tank"))


@pytest.mark.parametrize(
    ("text", "kind", "told"),
    [
        (
            "def tank():\n    return 1 / 0",
            SensorError,
            "tank.py:2: ZeroDivisionError: division by zero",
        ),
        ("def tank():\n    raise OSError(5, 'EIO')", OSError, "tank.py:2: OSError: [Errno 5] EIO"),
        ("def tank():\n    raise RuntimeError('x')", RuntimeError, "tank.py:2: RuntimeError: x"),
        ("def tank():\n    import sys\n    sys.exit(3)", SensorError, "tank.py:3: SystemExit: 3"),
        (
            "import json\ndef tank():\n    return json.loads('{')",
            SensorError,
            "tank.py:3: JSONDecodeError",
        ),
        ("tank = print\nimport nothing_there", SensorError, "tank.py:2: ModuleNotFoundError"),
        ("tank = len", SensorError, "tank.py: TypeError: len() takes exactly one argument"),
    ],
)
def test_errors_show_file_and_line(sensor, text, kind, told):
    """Of one's own code; what may pass stays of a kind that is tried again."""
    assert failing(sensor(text), kind).startswith(told)


def test_a_file_is_imported_once_for_all_its_sensors(sensor, folder):
    """Two of them share what it opened at its import; a failed import is tried again."""
    (folder / "fails").touch()
    text = """
        import os
        if os.path.exists(os.path.dirname(__file__) + "/fails"): raise OSError("not yet")
        shared = []
        def tank():
            shared.append(1)
            return len(shared)
        """
    first, second = sensor(text), sensor(text)
    assert "tank.py:3: OSError: not yet" in failing(first, OSError)
    (folder / "fails").unlink()
    assert opened_and_read(first) == [("value", 1, "", 0)]
    assert opened_and_read(second) == [("value", 2, "", 0)]


def test_an_import_that_hangs_does_not_hang_the_others_for_ever(sensor, folder, monkeypatch):
    """They fail, and may be tried again."""
    monkeypatch.setattr(python, "_IMPORT_WITHIN_S", 0.05)
    text = """
        import os, time
        open(os.path.dirname(__file__) + "/begun", "w").close()
        while not os.path.exists(os.path.dirname(__file__) + "/go"): time.sleep(0.01)
        def tank(): return 1
        """
    first, second = sensor(text), sensor(text)
    opening = threading.Thread(target=first.open)
    opening.start()
    wait_until((folder / "begun").exists)
    assert "its import hangs, for another sensor" in failing(second, RuntimeError)
    (folder / "go").touch()
    opening.join(20)
    assert opened_and_read(second) == [("value", 1, "", 0)]


def test_a_dataclass_may_be_a_sensor(sensor):
    """Its module is where dataclasses look for it."""
    text = """
        from __future__ import annotations
        from dataclasses import dataclass
        @dataclass
        class Tank:
            level: float = 1.0
            def read(self): return {"level": self.level}
        """
    assert opened_and_read(sensor(text, "Tank", level=2)) == [("level", 2, "", 0)]


def test_an_installed_module_serves_as_well():
    """Imported as any other."""
    [sample] = opened_and_read(make("python:random.random", {}))
    assert 0 <= sample.value < 1


def test_check_imports_nothing(found, folder):
    """What a module does at its import may be to touch hardware."""
    text = "open(__file__ + '.imported', 'w')\ndef tank(): return 1"
    assert found(text) == []
    assert not (folder / "tank.py.imported").exists()


@pytest.mark.parametrize(
    ("driver", "told"),
    [
        ("python", "write `python:module.object`, as in `python:tank.Tank`"),
        ("python:", "write `python:module.object`"),
        ("python:tank", "write `python:module.object`"),
        ("python:tank.py:Tank", "write `python:module.object`"),
        ("python:../tank.Tank", "write `python:module.object`"),
        ("python:tonk.tank", "there is no tonk.py, and no module `tonk` is installed"),
        ("python:tank.tonk", "tank.py defines no `tonk`. Did you mean `tank`?"),
    ],
)
def test_a_wrong_name_is_found(found, driver, told):
    """With what is there."""
    [(option, message)] = found("def tank(): return 1", driver)
    assert option is None
    assert message.startswith(told)


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        (
            "def tank(path): return 1",
            {"pat": 1},
            [
                (
                    "pat",
                    "`tank` (tank.py:1) has no argument `pat`. Did you mean `path`? Accepted: path, folder",
                ),
                (None, "`tank` (tank.py:1) needs the option `path`"),
            ],
        ),
        ("def tank(**any): return 1", {"pat": 1}, []),
        ("\nclass tank: pass", {}, [(None, "tank.py:2: the class `tank` has no method `read`")]),
        (
            "async def tank(): return 1",
            {},
            [(None, "tank.py:1: `tank` is async: write a plain function")],
        ),
        ("def tank(:", {}, [(None, "tank.py:1: invalid syntax")]),
    ],
)
def test_wrong_options_are_found(found, text, options, expected):
    """Against the arguments as they stand in the source."""
    assert found(text, **options) == expected


def test_the_folder_is_a_text(found):
    """As in every driver."""
    [(option, message)] = found("", folder=5)
    assert option == "folder"
    assert "must be text" in message


@pytest.mark.parametrize("moment", ["checked", "opened"])
def test_what_others_may_write_is_not_run(sensor, folder, moment):
    """Neither when it is checked, nor if its mode changed since."""
    tank = sensor("def tank(): return 1")
    (folder / "tank.py").chmod(0o666)
    if moment == "checked":
        [problem] = problems("python:tank.tank", {"folder": str(folder)})
        assert "others may write" in problem.message
    else:
        assert "others may write" in failing(tank)
    assert str(folder / "tank.py") not in sys.modules


def test_a_file_that_vanished_fails_to_open(sensor, folder):
    """With where it was looked for."""
    tank = sensor("def tank(): return 1")
    (folder / "tank.py").unlink()
    assert failing(tank).startswith("there is no tank.py")

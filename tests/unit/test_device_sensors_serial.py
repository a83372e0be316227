"""Serial ports: the real pyserial on a pseudo terminal, whose other end is the board."""

import os
import subprocess
import sys
import termios
import tty

import pytest

from device.sensors import SensorError, make, problems, serial
from kit.listening import Ear, held
from kit.programs import ROOT, boottime_ns
from kit.waiting import wait_until


class Board:
    """A board that prints what it is told; `port` is where it is plugged in."""

    def __init__(self):
        self._ends = [*os.openpty()]
        self._end, self._inner = self._ends
        tty.setraw(self._inner)
        self.port = os.ttyname(self._inner)

    def print(self, data):
        """Print bytes."""
        os.write(self._end, data)

    @property
    def speed(self):
        """The rate that the port was set to, as termios names it."""
        return termios.tcgetattr(self._inner)[4]

    def unplug(self):
        """Be gone."""
        while self._ends:
            os.close(self._ends.pop())


@pytest.fixture
def board():
    """A board, unplugged afterwards; nothing is left behind by then."""
    before = held()
    board = Board()
    yield board
    board.unplug()
    assert held() == before


@pytest.fixture
def listen(board):
    """Makes adapters that listen to the board, and closes them."""
    made = []

    def listen(**options):
        adapter = make(f"serial:{board.port}", options)
        adapter.ear = Ear()
        adapter.listen(adapter.ear)
        made.append(adapter)
        adapter.open()
        return adapter

    yield listen
    for adapter in made:
        adapter.close()


def test_lines_are_readings(board, listen):
    """Each when it ended; the rest of a line that was under way is left out."""
    before_ns = boottime_ns()
    adapter = listen()
    board.print(b"e=9.5\r\ntemperature=21.5 hum")
    board.print(b"idity=40\r\n")
    wait_until(lambda: adapter.ear.events)
    assert adapter.ear.values == [{"temperature": 21.5, "humidity": 40}]
    assert before_ns < adapter.ear.times_ns[0] < boottime_ns()
    assert [(each.name, each.unit) for each in adapter.channels] == [
        ("temperature", ""),
        ("humidity", ""),
    ]
    assert adapter.read() == []


def test_a_pattern_reads_what_a_board_says(board, listen):
    """As for every adapter of lines."""
    adapter = listen(pattern=r"CO2: (?P<co2>\d+) ppm")
    board.print(b"\nCO2: 415 ppm\n")
    wait_until(lambda: adapter.ear.values == [{"co2": 415}])


@pytest.mark.parametrize(
    ("options", "speed"),
    [({}, termios.B9600), ({"baud": 115_200}, termios.B115200), ({"baud": 4800}, termios.B4800)],
)
def test_the_port_is_set_to_the_baud_rate(board, listen, options, speed):
    """9600 where nothing is said."""
    listen(**options)
    assert board.speed == speed


def test_a_wrong_rate_shows(board, listen):
    """Garbage is an error with what was heard, as nothing else came."""
    adapter = listen()
    board.print(b"\n\xf8\x80\xff\n")
    wait_until(lambda: adapter._heard._wrong)
    with pytest.raises(SensorError, match=r"1 line that is no reading; the last: .* is no text"):
        adapter.read()


def test_an_unplugged_board_is_an_oserror(board, listen):
    """So that the agent closes the port and opens it again, which fails while the board is gone."""
    adapter = listen()
    board.unplug()
    wait_until(lambda: adapter._failure)
    with pytest.raises(OSError, match=f"^{board.port}: "):
        adapter.read()
    adapter.close()
    with pytest.raises(SensorError, match=f"cannot open {board.port}"):
        adapter.open()
    with pytest.raises(SensorError, match="not open"):
        adapter.read()


def test_a_port_that_is_not_there_says_what_to_do(tmp_path):
    """With its path, and where the names of ports are."""
    adapter = make(f"serial:{tmp_path}/ttyACM0", {})
    with pytest.raises(
        SensorError,
        match=r"ttyACM0: No such file or directory. Is it plugged in\? `ls -l /dev/serial/by-id`",
    ):
        adapter.open()
    adapter.close()


def test_a_port_is_opened_once(board, listen):
    """Two who read it would have half of the lines each."""
    listen()
    second = make(f"serial:{board.port}", {})
    with pytest.raises(SensorError, match="Another program has it open"):
        second.open()


def test_a_file_is_no_port(tmp_path):
    """And says so, whatever pyserial raises."""
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(SensorError, match="file"):
        make(f"serial:{file}", {}).open()


def test_an_impossible_rate_is_the_ports_error(board, monkeypatch):
    """Where the port cannot have it."""
    import serial as pyserial

    def refuse(*_, **__):
        raise ValueError("Not a valid baudrate: 77")

    monkeypatch.setattr(pyserial, "Serial", refuse)
    with pytest.raises(SensorError, match="Not a valid baudrate"):
        make(f"serial:{board.port}", {"baud": 77}).open()


def test_without_pyserial_it_says_how_to_get_it(tmp_path):
    """When the YAML is checked already; another package of the same name is no help."""
    (tmp_path / "serial.py").write_text("")
    code = (
        "import importlib.util, sys\n"
        "from device.sensors import make, problems\n"
        "try:\n"
        "    make('serial:/dev/null', {}).open()\n"
        "except Exception as error:\n"
        "    print(error)\n"
        "sys.path = [p for p in sys.path if 'site-packages' not in p and p != sys.argv[1]]\n"
        "del sys.modules['serial']\n"
        "print(problems('serial:/dev/null', {})[0].message)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env={"PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    other, missing = done.stdout.splitlines()
    assert other.startswith(f"{tmp_path}/serial.py is another package, `serial`: uninstall it.")
    assert missing.startswith("pyserial is not installed: `sudo apt install python3-serial`")


def test_pyserial_is_imported_when_a_port_is_opened():
    """Not when the YAML is checked."""
    code = (
        "import sys\n"
        "from device.sensors import make\n"
        "make('serial:/dev/ttyACM0', {})\n"
        "assert 'serial' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60, check=True)


@pytest.mark.parametrize("driver", ["serial", "serial:", "serial:ttyACM0", "serial:/dev/a\nb"])
def test_the_port_is_a_path(driver):
    """With an example."""
    [problem] = problems(driver, {})
    assert problem.message.startswith("write the port's path, as in `serial:/dev/ttyACM0`")


@pytest.mark.parametrize(
    ("options", "at_fault"),
    [
        ({"baud": 9600.5}, "baud"),
        ({"baud": 0}, "baud"),
        ({"parse": "csv"}, "parse"),
        ({"parse": "regex"}, "parse"),
        ({"stale_after": 0}, "stale_after"),
        ({"timeout": 1}, "timeout"),
    ],
)
def test_wrong_options_are_found(options, at_fault):
    """With the option at fault."""
    assert [problem.option for problem in problems("serial:/dev/ttyACM0", options)] == [at_fault]


def test_right_options_are_right():
    """All of them at once."""
    options = {"baud": 115200, "pattern": "(?P<a>.)", "parse": "regex", "stale_after": None}
    assert problems("serial:/dev/serial/by-id/usb-Arduino-if00", options) == []
    assert serial.make("/dev/ttyACM0", options)

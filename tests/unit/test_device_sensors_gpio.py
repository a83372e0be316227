"""The driver `gpiozero:`, on gpiozero's own mock pins."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import gpiozero
import pytest
from gpiozero.pins.mock import MockFactory, MockSPIDevice

from device.clock import boottime_ns
from device.sensors import Sample, SensorError, gpio, make, problems
from kit.waiting import wait_until

PINS = {"clock_pin": 11, "mosi_pin": 10, "miso_pin": 9, "select_pin": 8}


@pytest.fixture
def pins():
    """Mock pins; drive them with `pins.pin(4).drive_high()`."""
    factory = gpiozero.Device.pin_factory = MockFactory()
    yield factory
    factory.reset()
    gpiozero.Device.pin_factory = None


@pytest.fixture
def no_pins(monkeypatch):
    """A machine on which gpiozero finds no pins."""
    monkeypatch.setattr(gpiozero.Device, "pin_factory", None)
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "nonsense")
    return monkeypatch


def opened(class_name, **options):
    """Return an open sensor."""
    sensor = make(f"gpiozero:{class_name}", options)
    sensor.open()
    return sensor


def value(sensor):
    """Return the value of the one channel."""
    [sample] = sensor.read()
    return sample.value


class FixedAdc(MockSPIDevice):
    """Answers as an MCP3008 does (datasheet, figure 6-1), from fixed codes.

    Start bit, mode and channel are the bits 8 to 12; then come one clock of sampling, a null bit,
    and ten bits of code.
    """

    codes = (0, 341, 1023, 5, 6, 7, 8, 512)

    def on_bit(self):
        """Answer once the channel is known."""
        if self.rx_bit == 12:
            self.tx_word(self.codes[self.rx_word() & 7], 12)


def test_button_follows_its_pin(pins):
    """Pulled up by default: low is pressed."""
    sensor = opened("Button", pin=4)
    assert value(sensor) == 0
    pins.pin(4).drive_low()
    assert sensor.read() == [Sample("pressed", 1.0, "")]
    pins.pin(4).drive_high()
    assert value(sensor) == 0
    sensor.close()


def test_digital_input_follows_its_pin(pins):
    """Pulled down by default: high is 1; a pin may have gpiozero's names."""
    sensor = opened("DigitalInputDevice", pin="GPIO17", bounce_time=0.01)
    assert sensor.read() == [Sample("value", 0.0, "")]
    pins.pin(17).drive_high()
    assert value(sensor) == 1
    sensor.close()


def test_motion_sensor_waits_for_its_first_look(pins):
    """The first read blocks until the queue is full, and gives what was seen, not a zero."""
    sensor = make("gpiozero:MotionSensor", {"pin": 4, "pull_up": None, "active_state": True})
    pins.pin(4).drive_high()
    sensor.open()
    assert sensor.read() == [Sample("motion", 1.0, "")]
    sensor.close()


def test_adc_gives_volts(pins):
    """Of the channel asked for; full scale is `max_voltage`."""
    FixedAdc(**PINS)
    low, third, top = (opened("MCP3008", channel=channel, max_voltage=5) for channel in range(3))
    [sample] = low.read()
    assert (sample.channel, sample.unit) == ("voltage", "V")
    assert sample.value == pytest.approx(0, abs=0.01)
    assert value(third) == pytest.approx(5 / 3, abs=0.01)
    assert value(top) == 5.0
    for sensor in (low, third, top):
        sensor.close()


def test_cpu_temperature(pins, tmp_path):
    """In degC, of the file named."""
    file = tmp_path / "temp"
    file.write_text("48312\n")
    sensor = opened("CPUTemperature", sensor_file=str(file))
    assert sensor.read() == [Sample("temperature", 48.3, "degC")]
    file.unlink()
    with pytest.raises(FileNotFoundError):
        sensor.read()
    sensor.close()


def test_close_gives_the_pin_back(pins):
    """Another sensor can have it then; close may come twice, and open again."""
    sensor = opened("Button", pin=4)
    with pytest.raises(SensorError, match=r"Device\(pin=4\): GPIOPinInUse: .*\.Button"):
        opened("DigitalInputDevice", pin=4)
    sensor.close()
    sensor.close()
    other = opened("DigitalInputDevice", pin=4)
    other.close()
    sensor.open()
    assert value(sensor) == 0
    sensor.close()


def test_a_closed_sensor_does_not_read(pins):
    """Nor one that was never opened."""
    with pytest.raises(SensorError, match="not open"):
        make("gpiozero:Button", {"pin": 4}).read()


def test_a_refusal_of_gpiozero_names_the_call(pins):
    """What only gpiozero knows is told with what was asked of it; the sensor can be tried again."""
    sensor = make("gpiozero:MCP3008", {"port": 7})
    for _ in range(2):
        with pytest.raises(SensorError, match=r"MCP3008\(port=7\): SPIBadArgs: port 7"):
            sensor.open()
        sensor.close()


def test_without_pins_the_error_says_what_to_do(no_pins):
    """On a Pi and without one; close may follow."""
    sensor = make("gpiozero:Button", {"pin": 4})
    with pytest.raises(SensorError) as error:
        sensor.open()
    assert "Unable to find pin factory 'nonsense'" in str(error.value)
    assert "sudo apt install python3-lgpio" in str(error.value)
    assert "group gpio" in str(error.value)
    assert "GPIOZERO_PIN_FACTORY=mock" in str(error.value)
    sensor.close()


def test_pins_that_come_later_are_found(no_pins):
    """A failed open leaves nothing behind that would spoil the next."""
    sensor = make("gpiozero:Button", {"pin": 4})
    with pytest.raises(SensorError):
        sensor.open()
    no_pins.setenv("GPIOZERO_PIN_FACTORY", "mock")
    sensor.open()
    assert value(sensor) == 0
    sensor.close()


@pytest.mark.parametrize(
    ("failure", "hint"),
    [
        ("'can not open gpiochip'", "sudo usermod -aG gpio"),
        ("[Errno 2] No such file or directory: '.lgd-nfy-3'", "set LG_WD"),
    ],
)
def test_what_is_known_of_a_failure_is_told(no_pins, failure, hint):
    """The two ways in which lgpio fails as a service."""

    def fail():
        raise RuntimeError(failure)

    no_pins.setattr(gpiozero.Device, "_default_pin_factory", staticmethod(fail))
    with pytest.raises(SensorError) as error:
        opened("Button", pin=4)
    assert failure in str(error.value)
    assert hint in str(error.value)
    assert "mock" not in str(error.value)


def test_a_busy_pin_says_who_may_hold_it(pins, monkeypatch):
    """lgpio's words for a line that somebody else has requested."""

    def busy(*_args, **_options):
        raise RuntimeError("'GPIO busy'")

    monkeypatch.setattr(pins, "pin", busy)
    with pytest.raises(SensorError, match=r"GPIO busy'. Another program .* `gpioinfo`"):
        opened("Button", pin=4)


def run(code, **environment):
    """Run Python as a user would, without what this test process has set up."""
    plain = {name: text for name, text in os.environ.items() if name != "GPIOZERO_PIN_FACTORY"}
    return subprocess.run(
        [sys.executable, "-W", "default", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
        env=plain | environment,
    )


READ = """
from device.sensors import make
sensor = make("gpiozero:Button", {"pin": 17})
try:
    sensor.open()
    print(sensor.read())
except Exception as error:
    print(f"{type(error).__name__}: {error}")
sensor.close()
"""


def test_trying_it_without_a_pi():
    """GPIOZERO_PIN_FACTORY=mock is all it takes."""
    done = run(READ, GPIOZERO_PIN_FACTORY="mock")
    assert (
        done.stdout
        == "[Sample(channel='pressed', value=0.0, unit='', quality=<Quality.GOOD: 0>)]\n"
    )
    assert done.stderr == ""


@pytest.mark.skipif(Path("/dev/gpiochip0").exists(), reason="this machine has pins")
def test_gpiozeros_warnings_are_in_the_error_and_nowhere_else():
    """What each pin factory lacked is told once, in the error, and not on stderr."""
    done = run(READ)
    assert done.stdout.startswith("SensorError: no pins. On a Raspberry Pi `sudo apt install")
    assert "Falling back from lgpio" in done.stdout
    assert done.stderr == ""


def test_gpiozero_is_imported_only_when_used():
    """The registry and the adapter's module cost nobody gpiozero."""
    code = "import sys, device.sensors.gpio; print('gpiozero' in sys.modules)"
    assert run(code).stdout == "False\n"


def test_missing_gpiozero_says_how_to_get_it(monkeypatch):
    """As a problem of the driver, before anything is opened, and as an error at open."""
    sensor = make("gpiozero:Button", {"pin": 4})
    monkeypatch.setitem(sys.modules, "gpiozero", None)
    [problem] = problems("gpiozero:Button", {"pin": 4})
    assert problem.option is None
    assert "sudo apt install python3-gpiozero" in problem.message
    assert "pip install gpiozero" in problem.message
    with pytest.raises(SensorError, match="pip install gpiozero"):
        sensor.open()


def test_unknown_class_is_answered_with_the_nearest():
    """Did you mean, and all that can be read."""
    [problem] = problems("gpiozero:Buton", {"pin": 4})
    accepted = ", ".join(gpio._CLASSES)
    assert problem == (
        None,
        f"no class `Buton` to be read. Did you mean `Button`? Accepted: {accepted}",
    )


@pytest.mark.parametrize("driver", ["gpiozero", "gpiozero:"])
def test_the_class_must_be_named(driver):
    """gpiozero alone reads nothing."""
    [problem] = problems(driver, {})
    assert problem.message.startswith("write `gpiozero:CLASS`. Accepted: Button")


@pytest.mark.parametrize(
    ("class_name", "options"),
    [
        ("Button", {"pin": 4, "pull_up": None, "active_state": True, "bounce_time": 0.05}),
        ("Button", {"pin": "BOARD7", "hold_time": 0.5, "hold_repeat": True}),
        ("DigitalInputDevice", {"pin": 4, "pull_up": True, "bounce_time": None}),
        ("MotionSensor", {"pin": 4, "queue_len": 5, "sample_rate": 2.5, "threshold": 0.3}),
        ("MCP3008", {}),
        ("MCP3008", {"channel": 7, "differential": True, "max_voltage": 5, "port": 0, "device": 1}),
        ("MCP3008", {"channel": 0, **PINS}),
        ("CPUTemperature", {"sensor_file": "/x", "min_temp": 0, "threshold": 60}),
    ],
)
def test_documented_arguments_are_options(no_pins, class_name, options):
    """Everything that gpiozero documents for a class; no pins are needed to check it."""
    assert problems(f"gpiozero:{class_name}", options) == []


@pytest.mark.parametrize(
    ("class_name", "options", "at_fault"),
    [
        ("Button", {}, None),
        ("Button", {"pinn": 4, "pin": 4}, "pinn"),
        ("Button", {"pin": 4.5}, "pin"),
        ("Button", {"pin": 4, "pull_up": "yes"}, "pull_up"),
        ("Button", {"pin": 4, "bounce_time": "50ms"}, "bounce_time"),
        ("Button", {"pin": 4, "hold_time": "1"}, "hold_time"),
        ("Button", {"pin": 4, "pin_factory": "mock"}, "pin_factory"),
        ("Button", {"pin": 4, "self": 1}, "self"),
        ("MotionSensor", {"pin": 4, "partial": True}, "partial"),
        ("MotionSensor", {"pin": 4, "queue_len": 1.5}, "queue_len"),
        ("MCP3008", {"channel": 8}, "channel"),
        ("MCP3008", {"max_voltage": "5V"}, "max_voltage"),
        ("MCP3008", {"spi_args": {}}, "spi_args"),
        ("MCP3008", {"pin": 4}, "pin"),
        ("CPUTemperature", {"sensor_file": 5}, "sensor_file"),
    ],
)
def test_wrong_options_are_found(class_name, options, at_fault):
    """Against the signature of the gpiozero that is installed; `partial` would invent zeros."""
    assert [problem.option for problem in problems(f"gpiozero:{class_name}", options)] == [at_fault]


def heard(sensor):
    """What a sensor says between reads, as (channel, value), from its opening on."""
    said = []
    sensor.listen(lambda time_ns, samples: said.extend((time_ns, each) for each in samples))
    return said


def test_edge_is_told_when_it_happens(pins):
    """With the time of the edge, not of the next read."""
    sensor = make("gpiozero:Button", {"pin": 4})
    said = heard(sensor)
    sensor.open()
    before_ns = boottime_ns()
    pins.pin(4).drive_low()
    pins.pin(4).drive_high()
    after_ns = boottime_ns()
    assert [(each.channel, each.value) for _, each in said] == [("pressed", 1), ("pressed", 0)]
    assert all(before_ns - 1_000_000 <= time_ns <= after_ns for time_ns, _ in said)
    sensor.close()
    assert len(said) == 2


def test_last_state_of_a_bouncing_contact_is_told(pins):
    """Bouncing is swallowed; where it ends in another state that is told too."""
    sensor = make("gpiozero:Button", {"pin": 4, "bounce_time": 0.02})
    said = heard(sensor)
    sensor.open()
    for _ in range(5):
        pins.pin(4).drive_low()
        pins.pin(4).drive_high()
    wait_until(lambda: len(said) == 2)
    assert [each.value for _, each in said] == [1, 0]
    sensor.close()


@pytest.mark.parametrize(
    ("options", "active"), [({}, True), ({"pull_up": None, "active_state": False}, False)]
)
def test_edges_know_what_is_active(pins, options, active):
    """A floating pin is active where the YAML says so."""
    sensor = make("gpiozero:DigitalInputDevice", {"pin": 4, **options})
    said = heard(sensor)
    pins.pin(4).drive_low()
    sensor.open()
    pins.pin(4).drive_high()
    assert [bool(each.value) for _, each in said] == [active]
    assert bool(value(sensor)) is active
    sensor.close()


def test_motion_is_told_at_its_edge(pins):
    """Not when its queue has looked at the pin, a tenth of a second later."""
    sensor = make("gpiozero:MotionSensor", {"pin": 4})
    said = heard(sensor)
    sensor.open()
    pins.pin(4).drive_high()
    assert [(each.channel, each.value) for _, each in said] == [("motion", 1)]
    sensor.close()


def test_turned_encoder_is_told(pins):
    """Each step as the class itself counts it."""
    sensor = make("gpiozero:RotaryEncoder", {"a": 5, "b": 6})
    said = heard(sensor)
    sensor.open()
    for pin, drive in ((5, "low"), (6, "low"), (5, "high"), (6, "high")):
        getattr(pins.pin(pin), f"drive_{drive}")()
    assert [each.channel for _, each in said] == ["steps"]
    assert abs(value(sensor)) == 1
    sensor.close()


def test_every_input_of_gpiozero_can_be_read():
    """Whatever class a later version adds is to be thought of here."""
    bases = (gpiozero.InputDevice, gpiozero.AnalogInputDevice, gpiozero.InternalDevice)
    abstract = {
        "AnalogInputDevice", "InternalDevice", "MCP3xxx", "PolledInternalDevice",
        "SmoothedInputDevice",
    }  # fmt: skip
    public = {
        name
        for name, each in vars(gpiozero).items()
        if isinstance(each, type) and issubclass(each, bases) and "xx" not in name
    }
    assert public - abstract | {"RotaryEncoder"} == set(gpio._CLASSES)


@pytest.mark.filterwarnings("ignore::gpiozero.exc.DistanceSensorNoEcho")
def test_distance_without_an_echo_is_no_zero(pins):
    """The read waits for a measurement that never comes: a timeout for who asked, never 0."""
    sensor = make("gpiozero:DistanceSensor", {"echo": 5, "trigger": 6})
    sensor.open()
    gave = []
    thread = threading.Thread(target=lambda: gave.append(sensor.read()), daemon=True)
    thread.start()
    thread.join(0.5)
    assert thread.is_alive()
    assert gave == []
    sensor.close()

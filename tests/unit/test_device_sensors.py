"""The registry, and what every adapter must do."""

import math
import subprocess
import sys

import gpiozero
import pytest
from gpiozero.pins.mock import MockFactory, MockSPIDevice

from device.sensors import ADAPTERS, SensorError, make, problems
from device.sensors.aliases import ALIASES
from kit.programs import ROOT, free_port

PI = {"root": str(ROOT / "tests/trees/pi")}
# What the agent says of itself needs an agent, and CircuitPython's drivers a bus: their own tests have both.
ELSEWHERE = {"agent", "circuitpython"}
EVERY = [
    ("host", {}),
    ("host", {"interface": "none0", "disk": "/none"}),
    ("gpiozero:Button", {"pin": 4}),
    ("gpiozero:CPUTemperature", {"sensor_file": "/proc/sys/vm/swappiness"}),  # any one number
    ("gpiozero:DigitalInputDevice", {"pin": 5}),
    ("gpiozero:MCP3008", {"channel": 1}),
    ("gpiozero:MotionSensor", {"pin": 6}),
    ("iio:ads1015", PI),
    ("hwmon:sht3x", PI),
    ("bme280", {**PI, "address": 0x76}),
    ("sht31", PI),
    ("ds18b20", PI),
    ("pir", {"pin": 8}),
    ("w1:*", PI),
    ("w1:28-0316a2795aff", PI),
    ("pulses", {"pin": 7, "bounce_time": 0.01}),
    ("synthetic:sine", {}),
    ("synthetic:sine", {"channels": 1000, "unit": "degC"}),
    ("synthetic:step", {"ledger": "/dev/null"}),
    ("synthetic:walk", {"channels": 2}),
    ("synthetic:counter", {}),
    ("synthetic:stuck", {"value": -1.5}),
    ("synthetic:failing", {"every": 100}),
    ("synthetic:slow", {"delay": 0.01}),
    ("exec", {"command": ["echo", "level 0.83"]}),
    ("lines", {"port": free_port()}),
    ("python:random.random", {}),
    (f"replay:{ROOT}/tests/recordings/air.csv", {}),
    ("serial:/dev/ptmx", {}),  # a port on which nobody says anything
]


@pytest.fixture(autouse=True)
def pins():
    """Mock pins, with a converter on the SPI pins that says nothing."""
    factory = gpiozero.Device.pin_factory = MockFactory()
    MockSPIDevice(11, 10, 9, 8)
    yield factory
    factory.reset()
    gpiozero.Device.pin_factory = None


@pytest.fixture
def adapter(request):
    """An adapter as the agent makes it, closed afterwards."""
    adapter = make(*request.param)
    yield adapter
    adapter.close()


every_adapter = pytest.mark.parametrize(
    "adapter", EVERY, indirect=True, ids=[f"{driver}-{len(options)}" for driver, options in EVERY]
)


@pytest.mark.parametrize(("driver", "options"), EVERY)
def test_what_is_tried_here_is_right(driver, options):
    """And all adapters are tried, but for those that need more than a machine."""
    assert problems(driver, options) == []
    tried = {driver.partition(":")[0] for driver, _ in EVERY}
    assert tried - set(ALIASES) == set(ADAPTERS) - ELSEWHERE


@every_adapter
def test_reads_give_the_channels_declared(adapter):
    """Each once, in order, in its unit; finite, or NaN for none this time. Who listens may add nothing."""
    adapter.open()
    assert adapter.channels or adapter.is_event_driven
    for _ in range(2):
        samples = adapter.read()
        if adapter.is_event_driven and not samples:
            continue
        assert [(sample.channel, sample.unit) for sample in samples] == [
            (channel.name, channel.unit) for channel in adapter.channels
        ]
        assert all(isinstance(sample.value, float) for sample in samples)
        assert not any(math.isinf(sample.value) for sample in samples)


@every_adapter
def test_channels_can_be_named_on_the_wire(adapter):
    """Names like a sensor's, units within 16 bytes, no name twice; those that are known stay after a reopen."""
    adapter.open()
    names = [channel.name for channel in adapter.channels]
    assert len(set(names)) == len(names)
    assert all(name.isidentifier() and name == name.lower() and len(name) < 64 for name in names)
    assert all(len(channel.unit.encode()) <= 16 for channel in adapter.channels)
    adapter.close()
    adapter.open()
    assert [channel.name for channel in adapter.channels][: len(names)] == names


@every_adapter
def test_close_comes_at_any_time(adapter):
    """Before open, twice, and open again after it; a closed adapter refuses to read."""
    adapter.close()
    adapter.open()
    adapter.read()
    adapter.close()
    adapter.close()
    with pytest.raises(SensorError, match="not open"):
        adapter.read()
    adapter.open()
    samples = adapter.read()
    assert len(samples) == len(adapter.channels) or (adapter.is_event_driven and not samples)


def test_unknown_driver_is_answered_with_the_nearest():
    """As a problem, and as an error where nobody asked for problems."""
    accepted = ", ".join([*ADAPTERS, *ALIASES])
    message = f"unknown driver `gpiozer`. Did you mean `gpiozero`? Accepted: {accepted}"
    assert problems("gpiozer:Button", {}) == [(None, message)]
    with pytest.raises(SensorError) as error:
        make("gpiozer:Button", {})
    assert str(error.value) == message


def test_make_refuses_what_problems_finds():
    """All of it, in one error."""
    with pytest.raises(SensorError, match=r"`period` must be .*; .* no option `amplitud`"):
        make("synthetic:sine", {"period": 0, "amplitud": 1})


@pytest.mark.parametrize("driver", ["host", "synthetic:sine"])
def test_nobody_pays_for_drivers_that_are_not_used(driver):
    """An agent's YAML that names one driver imports no other, nor any library of theirs."""
    script = (
        "import sys; from device.sensors import make, problems\n"
        f"assert problems({driver!r}, {{}}) == []\n"
        f"adapter = make({driver!r}, {{}}); adapter.open(); adapter.read(); adapter.close()\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    loaded = set(done.stdout.split())
    own = ADAPTERS[driver.partition(":")[0]]
    assert own in loaded
    assert not loaded & (set(ADAPTERS.values()) - {own})
    libraries = {"adafruit_blinka", "board", "busio", "gpiozero", "lgpio", "serial", "subprocess"}
    assert not loaded & libraries

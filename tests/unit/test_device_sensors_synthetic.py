"""Synthetic sensors: kinds, options, failures on order, and the ledger."""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from device.sensors import SensorError, make, problems

KINDS = ("sine", "step", "walk", "counter", "stuck", "failing", "slow")


def opened(kind, **options):
    """Return an open sensor."""
    sensor = make(f"synthetic:{kind}", options)
    sensor.open()
    return sensor


def values(sensor):
    """Return the values of one read."""
    return [sample.value for sample in sensor.read()]


def without_times(ledger):
    """Return the lines of a ledger without their last column."""
    return [line.rpartition(" ")[0] for line in ledger.read_text().splitlines()]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_needs_no_options(kind):
    """`driver: synthetic:KIND` alone is right."""
    assert problems(f"synthetic:{kind}", {}) == []


def test_one_channel_is_called_value():
    """And has the unit asked for."""
    [channel] = make("synthetic:sine", {"unit": "degC"}).channels
    assert (channel.name, channel.unit) == ("value", "degC")


def test_many_channels_are_numbered():
    """From 1; all of one read."""
    sensor = opened("counter", channels=1000)
    samples = sensor.read()
    assert [samples[0].channel, samples[-1].channel] == ["value_1", "value_1000"]
    assert [channel.name for channel in sensor.channels] == [sample.channel for sample in samples]


def test_sine_follows_the_time_since_boot():
    """What is read lies between the sine's values just before and just after."""
    sensor = opened("sine", period=86_400, amplitude=1000, mean=5)
    [value] = values(sensor)
    now = make("synthetic:sine", {"period": 86_400, "amplitude": 1000, "mean": 5})._shape
    [expected] = now.values(1, time.clock_gettime(time.CLOCK_BOOTTIME), 1)
    assert value == pytest.approx(expected, abs=1)


def test_counter_counts_on_after_close_and_open():
    """A count must not come twice in one life of the adapter."""
    sensor = opened("counter", start=10)
    assert [values(sensor), values(sensor)] == [[11], [12]]
    sensor.close()
    sensor.open()
    assert values(sensor) == [13]


@pytest.mark.parametrize(("every", "outcomes"), [(1, "xxxxxx"), (3, "..x..x")])
def test_failing_fails_every_nth_read(every, outcomes):
    """And counts the reads in between."""
    sensor = opened("failing", every=every)
    for n, outcome in enumerate(outcomes, start=1):
        if outcome == "x":
            with pytest.raises(SensorError, match=f"read {n} fails"):
                sensor.read()
        else:
            assert values(sensor) == [n]


def test_slow_takes_its_time():
    """The read blocks that long, then gives its value."""
    sensor = opened("slow", delay=0.05)
    began_s = time.monotonic()
    assert values(sensor) == [1]
    assert time.monotonic() - began_s >= 0.05


def test_close_ends_a_slow_read():
    """From another thread, at once, as a failed read."""
    sensor = opened("slow", delay=60)
    failures = []

    def read():
        try:
            sensor.read()
        except SensorError as error:
            failures.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    sensor.close()
    reader.join(5)
    assert not reader.is_alive()
    assert len(failures) == 1


def test_ledger_has_every_sample_before_it_is_returned(tmp_path):
    """One line a sample, exact values, failed reads without a line, appended after a reopen."""
    ledger = tmp_path / "ledger"
    sensor = opened("failing", every=2, channels=2, ledger=str(ledger))
    sensor.read()
    assert without_times(ledger) == ["1 value_1 1.0", "1 value_2 1.0"]
    with pytest.raises(SensorError):
        sensor.read()
    sensor.close()
    sensor.open()
    sensor.read()
    assert without_times(ledger)[2:] == ["3 value_1 3.0", "3 value_2 3.0"]


def test_ledger_says_when_a_sample_was_given(tmp_path):
    """CLOCK_BOOTTIME in ns, between that before the read and that after it."""
    ledger = tmp_path / "ledger"
    sensor = opened("counter", ledger=str(ledger))
    before_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    sensor.read()
    after_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    assert before_ns <= int(ledger.read_text().split()[3]) <= after_ns


@pytest.mark.parametrize("torn", ["", "4", "4 val", "4 value 14.0 123"])
def test_counter_goes_on_behind_its_ledger(tmp_path, torn):
    """Another process gives no value twice; what a kill tore off counts as not given."""
    ledger = tmp_path / "ledger"
    ledger.write_text("1 value 11.0 5\n3 value 13.0 6\n" + torn)
    sensor = opened("counter", start=10, ledger=str(ledger))
    assert values(sensor) == [14]
    assert without_times(ledger) == ["1 value 11.0", "3 value 13.0", "4 value 14.0"]


@pytest.mark.parametrize("torn", ["1", "1 value 1.0 98"])
def test_a_torn_first_line_is_cut_off_too(tmp_path, torn):
    """And the count begins at 1 again: that read was given to nobody."""
    ledger = tmp_path / "ledger"
    ledger.write_text(torn)
    assert values(opened("counter", ledger=str(ledger))) == [1]
    assert without_times(ledger) == ["1 value 1.0"]


@pytest.mark.parametrize("text", ["name: pi\n", "no line", "\n", "x" * 10_000])
def test_a_file_that_is_no_ledger_is_left_alone(tmp_path, text):
    """Somebody may have named the wrong file: say so, and change nothing in it."""
    file = tmp_path / "notes"
    file.write_text(text)
    sensor = make("synthetic:counter", {"ledger": str(file)})
    with pytest.raises(SensorError, match="notes is no ledger"):
        sensor.open()
    sensor.close()
    assert file.read_text() == text


def test_ledger_tells_what_a_killed_process_produced(tmp_path):
    """After kill -9 every sample that was returned is in the ledger, and no half line."""
    ledger = tmp_path / "ledger"
    code = (
        "from device.sensors import make\n"
        f"sensor = make('synthetic:walk', {{'channels': 100, 'ledger': {str(ledger)!r}}})\n"
        "sensor.open()\n"
        "while True:\n"
        "    sample = sensor.read()[-1]\n"
        "    print(sample.channel, repr(sample.value), flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        seen = [child.stdout.readline() for _ in range(20)]
        child.send_signal(signal.SIGKILL)
    text = ledger.read_text()
    assert text.endswith("\n")
    assert [f"{n} {line.rstrip()}" for n, line in enumerate(seen, start=1)] == [
        line for line in without_times(ledger) if " value_100 " in line
    ][:20]


def test_a_full_ledger_fails_the_read():
    """What the oracle was not told must not count as given."""
    sensor = opened("counter", ledger="/dev/full")
    with pytest.raises(OSError, match="No space"):
        sensor.read()
    sensor.close()


def test_ledger_in_no_folder_fails_to_open(tmp_path):
    """With the path in the message; and close may follow."""
    sensor = make("synthetic:sine", {"ledger": str(tmp_path / "none" / "ledger")})
    with pytest.raises(FileNotFoundError, match="none/ledger"):
        sensor.open()
    sensor.close()


def test_ledger_is_closed():
    """No descriptor is left behind, however often it was opened and closed."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    sensor = opened("sine", ledger="/dev/null")
    sensor.open()
    sensor.close()
    sensor.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_unknown_kind_is_answered_with_the_nearest():
    """Did you mean, and all there are."""
    [problem] = problems("synthetic:sin", {})
    assert problem == (
        None,
        "no kind `sin` of synthetic sensor. Did you mean `sine`? "
        "Accepted: sine, step, walk, counter, stuck, failing, slow",
    )


@pytest.mark.parametrize("driver", ["synthetic", "synthetic:"])
def test_the_kind_must_be_named(driver):
    """No kind is no default."""
    [problem] = problems(driver, {})
    assert problem.message.startswith("write `synthetic:KIND`. Accepted: sine")


@pytest.mark.parametrize(
    ("kind", "options", "at_fault"),
    [
        ("sine", {"period": 0}, "period"),
        ("sine", {"amplitude": "1"}, "amplitude"),
        ("sine", {"low": 1}, "low"),
        ("step", {"amplitude": 1}, "amplitude"),
        ("walk", {"step": -1}, "step"),
        ("walk", {"seed": 1.5}, "seed"),
        ("counter", {"start": 0.5}, "start"),
        ("stuck", {"value": 1e300}, "value"),
        ("failing", {"every": 0}, "every"),
        ("slow", {"delay": -1}, "delay"),
        ("sine", {"channels": 0}, "channels"),
        ("sine", {"channels": 1001}, "channels"),
        ("sine", {"unit": 5}, "unit"),
        ("sine", {"unit": "x" * 17}, "unit"),
        ("sine", {"ledger": ""}, "ledger"),
    ],
)
def test_wrong_options_are_found(kind, options, at_fault):
    """Each kind has its own options; ranges and types are checked."""
    assert [problem.option for problem in problems(f"synthetic:{kind}", options)] == [at_fault]

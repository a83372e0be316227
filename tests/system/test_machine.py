"""The packages on machines with a kernel of their own: pins, limits, devices, a day, power cuts."""

import json
import random
import shutil
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from collector.store import Reader
from collector.store.database import FILE_NAME
from collector.times import END_OF_TIME_NS
from kit import oracle, packages
from kit.machine import JOB_WITHIN_S, Machine, made, running
from kit.pi import CLOCK, UNITS, Pi
from kit.results import Results
from kit.waiting import wait_until

pytestmark = pytest.mark.uml

SECOND_NS = 10**9
CUTS = 4

INSTALL = "DEBIAN_FRONTEND=noninteractive apt-get install -y -q /exchange/*.deb"
# Two chips that are tables of registers: an LM75, read by its kernel driver, and one that nobody has.
CHIPS = """
insmod /exchange/i2c-stub.ko chip_addr=0x48,0x76
until [ -e /dev/i2c-0 ]; do sleep 0.1; done
i2cset -y 0 0x76 0xd0 0x58 b
i2cset -y 0 0x48 0x00 0x0019 w
echo lm75 0x48 >/sys/bus/i2c/devices/i2c-0/new_device
"""
BOARD = """
  board:
    driver: hwmon:lm75
    interval: 100ms
"""
BUTTON = """
  door:
    driver: gpiozero:Button
    interval: 100ms
    options: {pin: 17}
"""
# Presses and lets go of the button at GPIO 17: the pin is low while it is pressed. Says from when until
# when it surely was so.
PRESSES = """
cd /sys/devices/platform/gpio-sim.0/gpiochip0/sim_gpio17
for pull in up down up down up; do
    echo pull-$pull >pull
    echo $pull $(date +%s%N; sleep 2; date +%s%N)
done
"""
# How long a reading may be late behind what it reads: it is read every 100 ms.
SOON_NS = 300_000_000

# Loaded into the programs by Python: takes memory or threads without end once a file says so.
LEAK = """
import os, threading, time
from pathlib import Path

def leak(told):
    while not told.exists():
        time.sleep(0.1)
    what, taken = told.read_text(), []
    told.unlink()
    try:
        while True:
            if what == "memory":
                taken.append(os.urandom(2**20))
            else:
                taken.append(threading.Thread(target=time.sleep, args=(1e6,), daemon=True))
                taken[-1].start()
    except RuntimeError:
        told.with_name("leaked").write_text(str(len(taken)))
        time.sleep(1e6)

if "RUNTIME_DIRECTORY" in os.environ:
    told = Path(os.environ["RUNTIME_DIRECTORY"], "leak")
    threading.Thread(target=leak, args=(told,), daemon=True).start()
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The disk of a machine that both packages were installed on."""
    with running(Machine(tmp_path_factory.mktemp("installed"), made("image"))) as machine:
        for package in packages.built().glob("*.deb"):
            shutil.copy(package, machine.exchange)
        machine.boot()
        machine.run(INSTALL, timeout_s=600)
        machine.run(f"systemctl is-active {' '.join(UNITS)}")
        machine.power_off()
        yield machine.disk


@pytest.fixture
def pi(installed: Path, tmp_path: Path) -> Iterator[Pi]:
    """A machine on a disk of its own, switched off."""
    with running(Pi(tmp_path, installed)) as machine:
        yield machine


@pytest.fixture(scope="module")
def booted(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pi]:
    """A machine that is up, with a button and a sensor that counts."""
    with running(Pi(tmp_path_factory.mktemp("booted"), installed)) as machine:
        machine.boot()
        machine.configure(BUTTON, python=LEAK)
        yield machine


@pytest.fixture
def running_pi(booted: Pi) -> Pi:
    """The same, and both programs run, whatever another test did."""
    booted.run(f"systemctl start {' '.join(UNITS)}")
    booted.wait_for_reads(20)
    return booted


def readings(store: Path, series: str) -> list[tuple[int, float, int]]:
    """Time (UTC), value and quality of what a store holds of a series, in order of time."""
    reader = Reader(store / FILE_NAME)
    try:
        (part,) = reader.range(series, 0, END_OF_TIME_NS).parts
    finally:
        reader.close()
    return list(
        zip(part.times_ns.tolist(), part.values.tolist(), part.qualities.tolist(), strict=True)
    )


def value(pi: Pi, file: str) -> int:
    """A number that a file of the machine holds."""
    return int(pi.run(f"cat {file}"))


def control_group(unit: str) -> str:
    """The folder of a unit's control group."""
    return f"/sys/fs/cgroup/system.slice/{unit}.service"


DAY_S = 86_400
INTERVAL_S = 10


def usage(pi: Pi, unit: str) -> dict[str, int]:
    """What a program has now: memory (KiB), open files, threads, lines in the journal."""
    said = pi.run(
        f"""
        cd /proc/{pi.shown(unit, "MainPID")}
        sed -n 's/^VmRSS:\\s*\\([0-9]*\\).*/memory \\1/p' status
        echo files $(ls fd | wc -l)
        echo threads $(ls task | wc -l)
        echo lines $(journalctl --quiet -b -u {unit} | wc -l)
        """
    )
    return {name: int(number) for name, number in map(str.split, said.splitlines())}


# While a program waits for the disk there is nothing to do, and time would fly: hours in a second.
IN_MEMORY = f"""
mkdir -p /run/systemd/journald.conf.d
printf '[Journal]\\nStorage=volatile\\n' >/run/systemd/journald.conf.d/test.conf
systemctl restart systemd-journald
systemctl stop {" ".join(UNITS)}
for unit in {" ".join(UNITS)}; do mount -t tmpfs -o size=2G none /var/lib/$unit; done
"""


def test_a_day_is_as_its_first_hour(pi: Pi) -> None:
    """A day of timers in some minutes: each reading on the grid, none missing, and nothing grows."""
    pi.boot("time-travel=inf-cpu")
    pi.run(IN_MEMORY)
    pi.configure(interval_s=INTERVAL_S)
    pi.run("sleep 3600", timeout_s=300)
    before = {unit: usage(pi, unit) for unit in UNITS}
    pi.run(f"sleep {DAY_S}", timeout_s=1200)
    after = {unit: usage(pi, unit) for unit in UNITS}
    assert [pi.shown(unit, "NRestarts") for unit in UNITS] == ["0", "0"], pi.journal()
    store = pi.store()
    # A start reads at once, and from then on on the grid.
    _, *times_ns = [time_ns for time_ns, _, _ in readings(store, "pi/count.value_1")]
    assert {then - now for now, then in pairwise(times_ns)} == {INTERVAL_S * SECOND_NS}
    assert len(times_ns) >= (3600 + DAY_S) // INTERVAL_S
    assert pi.verdict(store).clean
    assert pi.lost_ns(store) == []
    for unit in UNITS:
        assert after[unit]["memory"] < before[unit]["memory"] + 4096, (before, after)
        for what in ("files", "threads", "lines"):
            assert after[unit][what] == before[unit][what], (before, after)


AT_RISK_NS = 10 * SECOND_NS
# While the collector is away long enough for the agent to write to the card.
LONG = 150
# Says all the time, where no power cut reaches it, what the collector has acknowledged.
WATCH = """
while :; do
    telegauge-device status --json >/exchange/status.new && mv /exchange/status.new /exchange/status
done &
"""


def cut(pi: Pi, dice: random.Random, *, collector_away: bool) -> int:
    """Boot it and cut its power in the middle of things; return what was acknowledged by then."""
    status = pi.exchange / "status"
    status.unlink(missing_ok=True)
    pi.boot()
    pi.run(WATCH)
    wait_until(status.exists, JOB_WITHIN_S)
    pi.wait_for_reads(dice.randint(20, 100))
    if collector_away:
        pi.run("systemctl stop telegauge-collector")
        pi.wait_for_reads(LONG + dice.randint(0, 50))
    pi.cut_power()
    return int(json.loads(status.read_text())["acknowledged_readings"])


def run_cuts(pi: Pi, cuts: int, seed: int) -> dict[str, object]:
    """Cut the power so many times at moments that a seed chooses; judge what is there in the end."""
    dice = random.Random(seed)
    pi.boot()
    pi.configure()
    pi.power_off()
    acknowledged = sum(cut(pi, dice, collector_away=n % 2 == 1) for n in range(cuts))
    pi.boot()
    pi.wait_for_reads(50)
    store = pi.store()
    verdict = pi.verdict(store)
    assert verdict.clean, f"{verdict}\n{oracle.gaps(store)}\n{pi.journal()}"
    assert {gap.reason for gap in oracle.gaps(store)} == {"power_cut"}
    assert verdict.in_gap > 0  # or no cut has taken anything, and this shows nothing
    assert verdict.stored >= acknowledged > 0
    lost_ns, ends_ns = pi.lost_ns(store), pi.ends_ns()
    at_risk_ns = [min(end - lost for end in ends_ns if end >= lost) for lost in lost_ns]
    assert max(at_risk_ns, default=0) < AT_RISK_NS + SECOND_NS
    return {
        "cuts": cuts, "given": verdict.given, "stored": verdict.stored, "in_gap": verdict.in_gap,
        "unsure": verdict.unsure, "most_at_risk_s": max(at_risk_ns, default=0) / SECOND_NS,
    }  # fmt: skip


def test_power_cuts_lose_no_more_than_is_at_risk(pi: Pi) -> None:
    """Four cuts of agent and collector at once: what was acknowledged is stored, the rest is a gap."""
    run_cuts(pi, CUTS, seed=1)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(100, 110))
def test_a_hundred_power_cuts(pi: Pi, seed: int) -> None:
    """The same, ten cuts on each of ten machines, in pieces that can be resumed."""
    results = Results("machine power cuts")
    if results.has(seed):
        pytest.skip("done in an earlier run")
    results.add(seed, **run_cuts(pi, 10, seed))


def test_a_button_is_read_through_the_sandbox(running_pi: Pi) -> None:
    """A real pin by gpiozero's lgpio factory in the unit as shipped: each press is stored, as it was."""
    said = running_pi.run(PRESSES)
    running_pi.wait_for_reads(20)
    stored = readings(running_pi.store(), "pi/door.pressed")
    for pull, began, ended in map(str.split, said.splitlines()):
        seen = [
            (value, quality)
            for time_ns, value, quality in stored
            if int(began) + SOON_NS < time_ns < int(ended)
        ]
        assert set(seen) == {(float(pull == "down"), 0)}, f"{pull}\n{running_pi.journal()}"
        assert len(seen) >= 15


def test_a_device_that_no_sensor_needs_is_denied(running_pi: Pi) -> None:
    """DevicePolicy=closed denies the disk and the kernel's log to root itself, and allows the pins."""
    for unit, allowed in (("telegauge-device", ["gpiochip0"]), ("telegauge-collector", [])):
        opened = running_pi.run(
            f"""
            (
                echo $BASHPID >{control_group(unit)}/cgroup.procs
                for device in null gpiochip0 ubda kmsg mem; do
                    if : </dev/$device; then echo $device; fi
                done
            ) 2>/dev/null
            """
        ).split()
        assert opened == ["null", *allowed], unit


every_unit = pytest.mark.parametrize("unit", UNITS)


@every_unit
def test_normal_work_stays_far_below_the_limits(running_pi: Pi, unit: str) -> None:
    """What a unit may take at most is more than twice what its program has taken since its start."""
    group = control_group(unit)
    for limit, taken in (("MemoryMax", "memory.peak"), ("TasksMax", "pids.peak")):
        assert value(running_pi, f"{group}/{taken}") * 2 < int(running_pi.shown(unit, limit))


@every_unit
def test_a_program_that_takes_too_much_memory_is_restarted(running_pi: Pi, unit: str) -> None:
    """The kernel kills it at MemoryMax=, systemd starts it again, and no reading is lost."""
    restarts = int(running_pi.shown(unit, "NRestarts"))
    running_pi.run(
        f"""
        {leak(unit, "memory")}
        until [ $(systemctl show --value -p NRestarts {unit}) -gt {restarts} ]; do sleep 0.2; done
        until systemctl --quiet is-active {unit}; do sleep 0.2; done
        """
    )
    assert "'oom-kill'" in running_pi.run(f"journalctl -u {unit} -n 20")
    running_pi.wait_for_reads(20)
    assert_nothing_is_lost(running_pi)


@every_unit
def test_a_program_that_takes_too_many_threads_goes_on(running_pi: Pi, unit: str) -> None:
    """TasksMax= ends what it may take, before the machine has none left; no reading is lost."""
    leaked = f"/run/{unit}/leaked"
    running_pi.run(
        f"""
        {leak(unit, "threads")}
        until [ -s {leaked} ]; do sleep 0.2; done
        """
    )
    assert value(running_pi, leaked) < int(running_pi.shown(unit, "TasksMax"))
    running_pi.wait_for_reads(20)
    assert running_pi.shown(unit, "NRestarts") == "0"
    assert_nothing_is_lost(running_pi)


def leak(unit: str, what: str) -> str:
    """The lines that let a program take `memory` or `threads` without end."""
    return f"echo -n {what} >/run/{unit}/leak.new && mv /run/{unit}/leak.new /run/{unit}/leak"


def assert_nothing_is_lost(pi: Pi) -> None:
    """Stop both; all that was accepted is stored once, and nothing had to be explained."""
    store = pi.store()
    verdict = pi.verdict(store)
    assert verdict.clean, f"{verdict}\n{pi.journal()}"
    assert oracle.gaps(store) == []


def test_chip_is_read_through_its_kernel_driver(running_pi: Pi) -> None:
    """In degC, as its registers say; one that is taken away is bad, and found again once it is back."""
    shutil.copy(f"{made('kernel')}.i2c-stub.ko", running_pi.exchange / "i2c-stub.ko")
    running_pi.run(CHIPS)
    running_pi.configure(BUTTON + BOARD, python=LEAK)
    read = "telegauge-device read board --json"
    (result,) = json.loads(running_pi.run(read))
    assert (result["series"], result["value"], result["unit"]) == (
        "pi/board.temperature",
        25,
        "degC",
    )
    running_pi.run("i2cset -f -y 0 0x48 0x00 0x801e w")
    assert json.loads(running_pi.run(read))[0]["value"] == 30.5
    running_pi.run("echo 0x48 >/sys/bus/i2c/devices/i2c-0/delete_device")
    assert json.loads(running_pi.run(f"{read} || [ $? = 1 ]"))[0]["quality"] == "bad"
    running_pi.run("echo lm75 0x48 >/sys/bus/i2c/devices/i2c-0/new_device")
    assert json.loads(running_pi.run(read))[0]["value"] == 30.5
    doctor = running_pi.run("telegauge-device doctor --bus 0 || [ $? = 1 ]")
    assert "0x48" in doctor
    assert "lm75" in doctor, "the kernel's driver has it"
    assert "0x76" in doctor
    assert "driver: bme280" in doctor or "driver: bmp280" in doctor, "a block to paste"
    running_pi.wait_for_reads(20)
    values = {
        value
        for _, value, quality in readings(running_pi.store(), "pi/board.temperature")
        if not quality
    }
    assert values == {25.0, 30.5}


# What NTP does once it has the time: the right clock, and the kernel trusts it (adjtimex(2)).
SYNCHRONISE = """
import ctypes, sys, time
time.clock_settime(time.CLOCK_REALTIME, float(sys.argv[1]))
timex = (ctypes.c_long * 64)()
timex[0] = 0x0010 | 0x0004 | 0x0008  # ADJ_STATUS, ADJ_MAXERROR, ADJ_ESTERROR
ctypes.CDLL(None).adjtimex(timex)
"""


def test_boot_in_1970_gets_its_right_times(pi: Pi) -> None:
    """The Pi has no clock: what it read before it knew the time is dated once it does, to the second."""
    pi.boot()
    pi.run("systemctl stop telegauge-device telegauge-collector; date -s @600")
    pi.configure()
    pi.wait_for_reads(30)
    early = pi.run(
        "telegauge-collector query 'pi/count.*' --start 1960-01-01 --end 2100-01-01 --json"
    )
    assert all(json.loads(line)["time"] is None for line in early.splitlines())
    (pi.exchange / "synchronise.py").write_text(SYNCHRONISE)
    true_s = time.time()
    pi.run(f"python3 /exchange/synchronise.py {true_s}")
    offset_ns = int(pi.run(f"python3 -c '{CLOCK}'"))
    pi.wait_for_reads(30)
    store = pi.store()
    given = [int(line.split()[-1]) for line in (pi.exchange / "ledger").read_text().splitlines()]
    times_ns = [time_ns for time_ns, _, _ in readings(store, "pi/count.value_1")]
    assert len(times_ns) >= 60
    assert min(times_ns) == pytest.approx(given[0] + offset_ns, abs=SECOND_NS)
    assert max(times_ns) == pytest.approx(given[-1] + offset_ns, abs=SECOND_NS)

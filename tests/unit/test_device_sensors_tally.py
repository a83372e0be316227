"""device.sensors.tally: a count over kill -9, clean ends and power cuts, in real files."""

import signal
import subprocess
import sys
from pathlib import Path

from device.sensors.tally import Tally

ROOT = Path(__file__).parents[2]
BOOT = b"a" * 16
NEXT_BOOT = b"b" * 16


def tally_of(folder: Path, boot: bytes = BOOT) -> Tally:
    """An open tally."""
    tally = Tally("gpio4", folder / "run", folder / "state", boot)
    tally.open()
    return tally


def counted(folder: Path, steps: int, boot: bytes = BOOT) -> Tally:
    """A tally that has counted some more."""
    tally = tally_of(folder, boot)
    for _ in range(steps):
        tally.step()
    return tally


def test_begins_at_0(tmp_path: Path) -> None:
    """Where nothing was ever counted."""
    assert tally_of(tmp_path).count == 0


def test_goes_on_after_kill_9(tmp_path: Path) -> None:
    """Each step is in the file as soon as it was made."""
    script = (
        "import sys, os, signal; from pathlib import Path; from device.sensors.tally import Tally;"
        "folder = Path(sys.argv[1]); tally = Tally('gpio4', folder / 'run', folder / 'state', b'a' * 16);"
        "tally.open(); [tally.step() for _ in range(7)]; os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], check=False, cwd=ROOT, timeout=60
    )
    assert done.returncode == -signal.SIGKILL
    assert tally_of(tmp_path).count == 7


def test_goes_on_after_a_clean_reboot(tmp_path: Path) -> None:
    """The runtime folder is gone by then, the state folder is not."""
    counted(tmp_path, 5).close()
    (tmp_path / "run/gpio4").unlink()
    assert counted(tmp_path, 1, NEXT_BOOT).count == 6


def test_begins_at_0_after_a_power_cut(tmp_path: Path) -> None:
    """What was kept before that run is not passed off as what was counted in it."""
    counted(tmp_path, 5).close()
    counted(tmp_path, 2)
    (tmp_path / "run/gpio4").unlink()
    assert tally_of(tmp_path, NEXT_BOOT).count == 0


def test_file_of_another_boot_is_no_count(tmp_path: Path) -> None:
    """A runtime folder that is no memory file system outlives the power cut."""
    counted(tmp_path, 5)
    assert tally_of(tmp_path, NEXT_BOOT).count == 0


def test_clean_end_and_start_in_one_boot(tmp_path: Path) -> None:
    """A restart of the program loses nothing and counts nothing twice."""
    for total in (3, 6, 9):
        tally = counted(tmp_path, 3)
        assert tally.count == total
        tally.close()


def test_damaged_files_count_nothing(tmp_path: Path) -> None:
    """A torn file is no number."""
    counted(tmp_path, 5).close()
    for file in tmp_path.rglob("gpio4"):
        file.write_bytes(b"a" * 7)
    assert tally_of(tmp_path).count == 0

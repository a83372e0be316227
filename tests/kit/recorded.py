"""The files of a machine that is not this one, below a folder, as the doctor looks at them."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from device.doctor.place import Place


class Recorded:
    """Such a machine. `said`: what its programs print, by the first words of the command."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.said: dict[str, str] = {}
        self.asked: list[str] = []

    @property
    def place(self) -> Place:
        """The machine, as the doctor takes it."""
        return Place(self.root, self._run)

    def put(self, name: str, text: str = "", mode: int | None = None) -> Path:
        """Write a file."""
        file = self.root / name.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        if mode is not None:
            file.chmod(mode)
        return file

    def put_all(self, files: Mapping[str, str]) -> None:
        """Write several."""
        for name, text in files.items():
            self.put(name, text)

    def link(self, name: str, target: str) -> None:
        """Make a link to another of its files, relative as sysfs has them."""
        file, aim = self.root / name.lstrip("/"), self.root / target.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        if not aim.exists():
            aim.mkdir(parents=True)
        file.symlink_to(os.path.relpath(aim, file.parent))

    def _run(self, command: Sequence[str]) -> str | None:
        line = " ".join(command)
        self.asked.append(line)
        return next((said for words, said in self.said.items() if line.startswith(words)), None)


_CHIP = "sys/devices/platform/soc/fe804000.i2c/i2c-1/1-0076"
# A Raspberry Pi 4 with Raspberry Pi OS trixie: a BME280 that the kernel reads, one probe, SPI and I2C on.
PI_FILES = {
    "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0",
    "boot/firmware/config.txt": """# For more options see http://rptl.io/configtxt
dtparam=i2c_arm=on
dtparam=spi=on
#dtoverlay=disable-wifi
dtoverlay=i2c-sensor,bme280
dtoverlay=w1-gpio

[all]
""",
    "usr/bin/raspi-config": "",
    "dev/gpiochip0": "",
    "dev/gpiochip1": "",
    "dev/i2c-1": "",
    "dev/i2c-20": "",
    "dev/i2c-21": "",
    "dev/spidev0.0": "",
    "dev/spidev0.1": "",
    "sys/bus/i2c/devices/i2c-1/name": "bcm2835 (i2c@7e804000)\n",
    f"{_CHIP}/name": "bme280\n",
    f"{_CHIP}/iio:device0/name": "bme280\n",
    "sys/class/hwmon/hwmon0/name": "cpu_thermal\n",
    "sys/class/hwmon/hwmon1/name": "rpi_volt\n",
    "sys/class/hwmon/hwmon1/in0_lcrit_alarm": "0\n",
    "sys/bus/w1/devices/28-0316a4f2b1ff/temperature": "21437\n",
    "sys/bus/w1/devices/w1_bus_master1/w1_master_slave_count": "1\n",
    "sys/devices/platform/soc/soc:firmware/get_throttled": "0\n",
    "etc/passwd": """root:x:0:0:root:/root:/bin/bash
ada:x:1000:1000:,,,:/home/ada:/bin/bash
telegauge-device:x:985:985:Telegauge device agent:/var/lib/telegauge-device:/usr/sbin/nologin
""",
    "etc/group": """root:x:0:
dialout:x:20:ada,telegauge-device
video:x:44:ada,telegauge-device
ada:x:1000:
spi:x:995:ada,telegauge-device
i2c:x:994:ada,telegauge-device
gpio:x:993:ada,telegauge-device
telegauge-device:x:985:
""",
}
UNIT_SAYS = """LoadState=loaded
ActiveState=active
UnitFileState=enabled
NeedDaemonReload=no
Result=success
User=telegauge-device
DevicePolicy=closed
DeviceAllow=char-gpiochip rw
DeviceAllow=char-i2c rw
DeviceAllow=char-spi rw
DeviceAllow=char-ttyAMA rw
DeviceAllow=char-ttyUSB rw
DeviceAllow=char-ttyACM rw
DeviceAllow=char-vcio rw
PrivateDevices=no
SupplementaryGroups=
ProtectHome=yes
"""


def recorded_pi(root: Path) -> Recorded:
    """That Pi, with the unit installed and lgpio whole."""
    pi = Recorded(root)
    pi.put_all(PI_FILES)
    pi.link("sys/bus/i2c/devices/1-0076", _CHIP)
    pi.link("sys/bus/iio/devices/iio:device0", f"{_CHIP}/iio:device0")
    pi.link(f"{_CHIP}/driver", "sys/bus/i2c/drivers/bmp280")
    pi.said = {"systemctl show telegauge-device": UNIT_SAYS}
    return pi

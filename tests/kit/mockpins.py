"""The device agent on gpiozero's mock pins, driven from outside: `python -m kit.mockpins run -c FILE`.

The pins are driven by lines such as `17 low` in the FIFO that TELEGAUGE_TEST_PINS names; when each was
driven (CLOCK_BOOTTIME, ns) goes to the file that TELEGAUGE_TEST_DRIVEN names, before the pin moves.
"""

import os
import sys
import threading
from pathlib import Path

import gpiozero
from gpiozero.pins.mock import MockFactory

from device.__main__ import main
from device.clock import boottime_ns

PINS, DRIVEN = "TELEGAUGE_TEST_PINS", "TELEGAUGE_TEST_DRIVEN"


def drive(pins: MockFactory, fifo: Path, driven: Path) -> None:
    """Drive pins as long as somebody writes to the FIFO; who opens it next goes on."""
    while True:
        for line in fifo.open():
            number, level = line.split()
            with driven.open("a") as ledger:
                ledger.write(f"{boottime_ns()}\n")
            pin = pins.pin(int(number))
            (pin.drive_low if level == "low" else pin.drive_high)()


if __name__ == "__main__":
    factory = gpiozero.Device.pin_factory = MockFactory()
    places = (Path(os.environ[PINS]), Path(os.environ[DRIVEN]))
    threading.Thread(target=drive, args=(factory, *places), daemon=True).start()
    sys.exit(main())

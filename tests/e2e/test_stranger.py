"""A client written from PROTOCOL.md alone can store readings, and strangers disturb nobody."""

import json
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit import programs
from kit.programs import Program
from kit.stranger import ACK, BATCH, BYE, END, GAP, HELLO, REJECT, Stranger, batch, damaged

EPOCH, BOOT = os.urandom(16), os.urandom(16)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[Program, int]]:
    """A collector and its port."""
    port = programs.free_port()
    collector = programs.collector(tmp_path, port)
    collector.start()
    yield collector, port
    collector.end()


def values_of(collector: Program, series: str) -> list[float]:
    """What a query prints of a series."""
    found = collector.command("query", series, "--start", "0", "--json")
    return [json.loads(line)["value"] for line in found.stdout.splitlines()]


def gaps_of(collector: Program) -> list[tuple[str, int | None]]:
    """Reasons and numbers of what `gaps` prints."""
    gaps = json.loads(collector.command("gaps", "--json").stdout)
    return [(gap["reason"], gap["readings"]) for gap in gaps]


def test_stranger_stores_readings_once(running: tuple[Program, int]) -> None:
    """Batches arrive, are acknowledged, are sent again in a second session, and stored once."""
    collector, port = running
    with Stranger(port) as device:
        assert device.greet("tank", EPOCH, BOOT) == 0
        device.send(BATCH, batch(EPOCH, BOOT, 1, [0.1, 0.2]))
        device.send(BATCH, batch(EPOCH, BOOT, 2, [0.3, 0.4]))
        while device.receive(ACK)["mark"] < 2:
            pass
        device.send(BYE, {"reason": "stopping"})
    with Stranger(port) as device:
        assert device.greet("tank", EPOCH, BOOT) == 2
        device.send(BATCH, batch(EPOCH, BOOT, 2, [0.3, 0.4]))
        assert device.receive(ACK)["mark"] == 2
        device.send(GAP, {"epoch": EPOCH, "first_seq": 3, "last_seq": 4, "reason": "spool_full"})
        assert device.receive(ACK)["mark"] == 4
        device.send(BATCH, batch(EPOCH, BOOT, 5, [0.5, 0.6]))
        assert device.receive(ACK)["mark"] == 5
    assert values_of(collector, "tank/meter.level") == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]


def test_several_epochs_are_held_and_ended(running: tuple[Program, int]) -> None:
    """HOLD in several frames, each epoch from its own mark; END says what will never come."""
    collector, port = running
    old, older = os.urandom(16), os.urandom(16)
    with Stranger(port) as device:
        device.greet("tank", EPOCH, BOOT)
        device.send(BATCH, batch(older, BOOT, 1, [0.1]))
        device.acknowledged(older, 1)
        assert device.hold([EPOCH], [old], [older], boot_id=BOOT) == {EPOCH: 0, old: 0, older: 1}
        device.send(BATCH, batch(old, BOOT, 1, [0.2]))
        device.acknowledged(old, 1)
        device.send(END, {"epoch": old, "reason": "stopped", "last_seq": 1, "readings": 1})
        device.acknowledged(old, 1, ended=True)
        device.send(END, {"epoch": older, "reason": "power_cut"})
        device.acknowledged(older, 1, ended=True)
    assert values_of(collector, "tank/meter.level") == [0.1, 0.2]
    assert gaps_of(collector) == [("power_cut", None)]


def test_epoch_that_is_no_longer_held_is_a_gap(running: tuple[Program, int]) -> None:
    """What a device lost without knowing how much is recorded, with no END and no number."""
    collector, port = running
    lost = os.urandom(16)
    with Stranger(port) as device:
        device.greet("tank", lost, BOOT)
        device.send(BATCH, batch(lost, BOOT, 1, [0.1]))
        device.acknowledged(lost, 1)
    with Stranger(port) as device:
        assert device.greet("tank", EPOCH, BOOT) == 0
    assert gaps_of(collector) == [("spool_lost", None)]


def test_damaged_batch_is_rejected(running: tuple[Program, int]) -> None:
    """What comes behind it is dropped until a GAP takes its place; then the epoch goes on."""
    collector, port = running
    with Stranger(port) as device:
        device.greet("tank", EPOCH, BOOT)
        device.send(BATCH, batch(EPOCH, BOOT, 1, [0.1]))
        device.acknowledged(EPOCH, 1)
        device.send(BATCH, damaged(batch(EPOCH, BOOT, 2, [0.2])))
        device.send(BATCH, batch(EPOCH, BOOT, 3, [0.3]))
        device.send(BATCH, batch(EPOCH, BOOT, 4, [0.4]))
        reject = device.receive(REJECT)
        assert (reject["epoch"], reject["seq"]) == (EPOCH, 2)
        gap = {"epoch": EPOCH, "first_seq": 2, "last_seq": 2, "reason": "rejected", "readings": 1}
        device.send(GAP, gap)
        device.acknowledged(EPOCH, 2)
        for seq in (3, 4):
            device.send(BATCH, batch(EPOCH, BOOT, seq, [seq / 10]))
        device.acknowledged(EPOCH, 4)
    assert values_of(collector, "tank/meter.level") == [0.1, 0.3, 0.4]
    assert gaps_of(collector) == [("rejected", 1)]


def test_hole_is_refused(running: tuple[Program, int]) -> None:
    """A batch whose predecessor never came is not stored, and BYE says why."""
    collector, port = running
    with Stranger(port) as device:
        device.greet("tank", EPOCH, BOOT)
        device.send(BATCH, batch(EPOCH, BOOT, 2, [0.3]))
        assert device.receive(BYE)["reason"] == "hole"
    assert values_of(collector, "tank/meter.level") == []


BAD_PEERS = {
    "a browser": b"GET / HTTP/1.1\r\nHost: collector\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    "garbage": bytes(range(256)) * 8,
    "three letters": b"abc",
    "half a frame": struct.pack("<IB", 100, HELLO) + b"x" * 40,
    "a frame one byte over the limit": struct.pack("<IB", 1025, HELLO) + bytes(1025),
    "HELLO and garbage": struct.pack("<IB", 40, HELLO)
    + b"\x83\xa6device\xa4evil\xaelowest_version\x01\xafhighest_ver"[:40]
    + b"\xff" * 100,
    "nothing at all": b"",
}


def test_bad_peers_disturb_nobody(running: tuple[Program, int]) -> None:
    """Whatever connects, a good session beside it goes on, and the log says who came."""
    collector, port = running
    with Stranger(port) as good:
        good.greet("tank", EPOCH, BOOT)
        sockets = []
        for seq, data in enumerate(BAD_PEERS.values(), 1):
            bad = socket.create_connection(("127.0.0.1", port), timeout=10)
            bad.sendall(data)
            sockets.append(bad)
            good.send(BATCH, batch(EPOCH, BOOT, seq, [float(seq)]))
            assert good.receive(ACK)["mark"] == seq
        for bad in sockets:
            while bad.recv(65536):  # every one of them is answered or cut within its five seconds
                pass
            bad.close()
        good.send(BATCH, batch(EPOCH, BOOT, len(BAD_PEERS) + 1, [0.0]))
        assert good.receive(ACK)["mark"] == len(BAD_PEERS) + 1
    assert "speaks HTTP" in collector.said()
    assert "traceback" not in collector.said().lower()
    assert collector.stop() == 0


def test_browser_gets_a_sentence(running: tuple[Program, int]) -> None:
    """Who opens the device port in a browser reads where they are."""
    _, port = running
    with socket.create_connection(("127.0.0.1", port), timeout=10) as browser:
        browser.sendall(BAD_PEERS["a browser"])
        answer = b"".join(iter(lambda: browser.recv(65536), b""))
    assert b"takes readings from telegauge-device" in answer

"""The bodies of all frames but BATCH: what each carries, and what a value may be.

Each travels as one MessagePack map with the fields of its Struct. Unknown fields are ignored, so
that a later version may add some. Numbers are bounded here, so that whoever takes a body may
compute with it and store it.
"""

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

# Words for people are no longer than this, in characters.
MAX_TEXT = 200


class ByeReason:
    """Why an end says BYE: the word that travels, and that logs and status show."""

    STOPPING = "stopping"
    REPLACED = "replaced"
    DUPLICATE_IDENTITY = "duplicate_identity"
    HOLE = "hole"
    DISK_FULL = "disk_full"
    PROTOCOL_ERROR = "protocol_error"
    UNSUPPORTED_VERSION = "unsupported_version"
    NOT_ACCEPTED = "not_accepted"
    SILENCE = "silence"
    OVERLOADED = "overloaded"


class GapReason:
    """Why readings are missing: the word that travels, and that `gaps` and status show."""

    SPOOL_FULL = "spool_full"
    POWER_CUT = "power_cut"
    SPOOL_LOST = "spool_lost"
    SPOOL_UNREADABLE = "spool_unreadable"
    REJECTED = "rejected"
    UNDECODABLE = "undecodable"
    COLLECTOR_ROLLBACK = "collector_rollback"
    DATAGRAM_LOST = "datagram_lost"


class EndReason:
    """Why an epoch ended; those of a GAP too, where its last seq is not known."""

    STOPPED = "stopped"
    RESTARTED = "restarted"
    ROLLED = "rolled"


_Epoch = Annotated[bytes, Meta(min_length=16, max_length=16)]
_Number = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_Seq = Annotated[int, Meta(ge=1, le=2**63 - 1)]
# Within these bounds no sum of two times and a difference of clocks leaves 64 bits: 73 years of
# uptime, and a wall clock up to the year 2116.
_BootNs = Annotated[int, Meta(gt=-(2**61), lt=2**61)]
_WallNs = Annotated[int, Meta(ge=-(2**62), le=2**62)]
_Name = Annotated[str, Meta(max_length=64)]
_Unit = Annotated[str, Meta(max_length=16)]
_Text = Annotated[str, Meta(max_length=MAX_TEXT)]


class Moment(msgspec.Struct, frozen=True):
    """What the clocks of a device showed at one moment of one boot: a clock pair, and its boot.

    `boot_ns` is CLOCK_BOOTTIME, `wall_ns` the wall clock; `synchronised`: the kernel trusted it.
    """

    boot_id: _Epoch
    boot_ns: _BootNs
    wall_ns: _WallNs
    synchronised: bool = False

    def utc_ns(self, boot_ns: int) -> int:
        """Return the UTC of a CLOCK_BOOTTIME of that boot, as the wall clock saw it."""
        return boot_ns + self.wall_ns - self.boot_ns


class Hello(msgspec.Struct, frozen=True):
    """HELLO, device: who I am, and the versions of this contract I speak."""

    device: _Name
    lowest_version: Annotated[int, Meta(ge=0, le=255)]
    highest_version: Annotated[int, Meta(ge=0, le=255)]
    agent: _Text = ""


class Ready(msgspec.Struct, frozen=True):
    """READY, collector: you are in; we speak `version`."""

    version: int
    collector: _Text = ""


class ChannelDescription(msgspec.Struct, frozen=True):
    """What is fixed about one series of a device."""

    name: _Name
    unit: _Unit = ""
    quantity: _Name = ""
    decimals: Annotated[int, Meta(ge=0, le=17)] | None = None
    label: _Text | None = None


class SensorDescription(msgspec.Struct, frozen=True):
    """What is fixed about one sensor; `interval_s` is how often it is read."""

    name: _Name
    driver: _Text
    interval_s: Annotated[float, Meta(gt=0, le=1e9)]
    channels: list[ChannelDescription]
    event_driven: bool = False
    label: _Text | None = None


class Describe(msgspec.Struct, frozen=True):
    """DESCRIBE, device: all its sensors, at start and at each change."""

    sensors: list[SensorDescription]
    label: _Text | None = None


class Held(msgspec.Struct, frozen=True):
    """One epoch of which the device still holds something, from `lowest_seq` on.

    `clock` is the best clock pair of its boot, `began_ns` (CLOCK_BOOTTIME) when it began.
    `datagrams`: its batches travel as datagrams, so none of them is held.
    """

    epoch: _Epoch
    lowest_seq: _Seq
    clock: Moment
    began_ns: _BootNs
    datagrams: bool = False


class Hold(msgspec.Struct, frozen=True):
    """HOLD, device: every epoch it holds, the present one first; `more` frames follow.

    `lost` says why epochs that it does not name are no longer there, where the device knows.
    """

    epochs: list[Held]
    more: bool = False
    lost: _Name | None = None


class Mark(msgspec.Struct, frozen=True):
    """The highest seq of an epoch that is committed; 0 for an epoch never heard of."""

    epoch: _Epoch
    mark: _Number


class Marks(msgspec.Struct, frozen=True):
    """MARKS, collector: the answer to the last HOLD frame, an entry for each epoch that was named.

    `more` frames follow.
    """

    marks: list[Mark]
    more: bool = False


class Gap(msgspec.Struct, frozen=True):
    """GAP, device: the batches `first_seq` to `last_seq` will not come, and why.

    `readings` is how many were in them, `first_ns` and `last_ns` (CLOCK_BOOTTIME of the epoch's
    boot) when the first and the last of them were read; None where nobody knows.
    """

    epoch: _Epoch
    first_seq: _Seq
    last_seq: _Seq
    reason: _Name
    readings: _Number | None = None
    first_ns: _BootNs | None = None
    last_ns: _BootNs | None = None


class End(msgspec.Struct, frozen=True):
    """END, device: the epoch has no batch behind `last_seq`, and held `readings` in all.

    Both None: nobody knows; what was lost was read before `until`.
    """

    epoch: _Epoch
    reason: _Name
    last_seq: _Number | None = None
    readings: _Number | None = None
    until: Moment | None = None


class Ack(msgspec.Struct, frozen=True):
    """ACK, collector: everything of `epoch` up to `mark` is committed; with `ended`, its END too."""

    epoch: _Epoch
    mark: _Number
    ended: bool = False


class Reject(msgspec.Struct, frozen=True):
    """REJECT, collector: this batch can never be stored; a GAP `rejected` is to take its place.

    `detail` says why, for people. Until that GAP comes, further batches of the epoch are dropped.
    """

    epoch: _Epoch
    seq: _Seq
    detail: _Text = ""


class Command(msgspec.Struct, frozen=True):
    """COMMAND, collector: do this within `within_s`, or not at all; RESULT of the same id answers."""

    id: _Number
    name: _Name
    arguments: Annotated[list[_Text], Meta(max_length=16)] = []
    within_s: Annotated[float, Meta(gt=0, le=3600)] = 10.0


class Result(msgspec.Struct, frozen=True):
    """RESULT, device: what came of a COMMAND; `detail` is for people, `values` what it gave."""

    id: _Number
    ok: bool
    detail: _Text = ""
    values: Annotated[dict[_Text, str | float | None], Meta(max_length=2000)] = {}


class OpenDatagrams(msgspec.Struct, frozen=True):
    """OPEN_DATAGRAMS, device: batches of this new epoch will come as datagrams; give me a key."""

    epoch: _Epoch
    clock: Moment
    began_ns: _BootNs


class DatagramKey(msgspec.Struct, frozen=True):
    """DATAGRAM_KEY, collector: the key for one datagram epoch, and the id that its datagrams carry."""

    epoch: _Epoch
    key_id: Annotated[int, Meta(ge=0, le=2**32 - 1)]
    key: Annotated[bytes, Meta(min_length=32, max_length=32)]


class Report(msgspec.Struct, frozen=True):
    """REPORT, collector: of `highest_seq` datagrams of the epoch so many were received and stored.

    `kernel_drops` counts datagrams, of any device, that the collector's kernel had no room for.
    """

    epoch: _Epoch
    highest_seq: _Number
    received: _Number
    kernel_drops: _Number = 0


class Ping(msgspec.Struct, frozen=True):
    """PING, either end: answer with a PONG of the same token."""

    token: _Number = 0


class Pong(msgspec.Struct, frozen=True):
    """PONG, either end: the answer to a PING."""

    token: _Number = 0


class Bye(msgspec.Struct, frozen=True):
    """BYE, either end: I close now. `retry_after_s`: not again before; `detail`: for people."""

    reason: _Name
    retry_after_s: Annotated[float, Meta(ge=0, le=86400)] = 0.0
    detail: _Text = ""


Body: TypeAlias = (
    Hello | Ready | Describe | Hold | Marks | Gap | End | Ack | Reject | Command | Result
    | OpenDatagrams | DatagramKey | Report | Ping | Pong | Bye
)  # fmt: skip

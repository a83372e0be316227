"""The bodies of the frames after READY, but for BATCH: what each carries. wire.greetings has the rest.

Each travels as one MessagePack map with the fields of its Struct. Unknown fields are ignored, so
that a later version may add some.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from wire.fields import BootNs, Epoch, Name, Number, Secret, Seq, Text, Unit, WallNs


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
    REVOKED = "revoked"
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


class Moment(msgspec.Struct, frozen=True):
    """What the clocks of a device showed at one moment of one boot: a clock pair, and its boot.

    `boot_ns` is CLOCK_BOOTTIME, `wall_ns` the wall clock; `synchronised`: the kernel trusted it.
    """

    boot_id: Epoch
    boot_ns: BootNs
    wall_ns: WallNs
    synchronised: bool = False


class ChannelDescription(msgspec.Struct, frozen=True):
    """What is fixed about one series of a device.

    `max_interval_s`: readings that say nothing new are left out for so long at most; None: none are.
    """

    name: Name
    unit: Unit = ""
    quantity: Name = ""
    decimals: Annotated[int, Meta(ge=0, le=17)] | None = None
    label: Text | None = None
    max_interval_s: Annotated[float, Meta(gt=0, le=1e9)] | None = None


class SensorDescription(msgspec.Struct, frozen=True):
    """What is fixed about one sensor; `interval_s` is how often it is read."""

    name: Name
    driver: Text
    interval_s: Annotated[float, Meta(gt=0, le=1e9)]
    channels: list[ChannelDescription]
    event_driven: bool = False
    label: Text | None = None


class Describe(msgspec.Struct, frozen=True):
    """DESCRIBE, device: all its sensors, at start and at each change."""

    sensors: list[SensorDescription]
    label: Text | None = None


class Held(msgspec.Struct, frozen=True):
    """One epoch of which the device still holds something, from `lowest_seq` on.

    `clock` is the best clock pair of its boot, `began_ns` (CLOCK_BOOTTIME) when it began.
    `datagrams`: its batches travel as datagrams, so none of them is held.
    """

    epoch: Epoch
    lowest_seq: Seq
    clock: Moment
    began_ns: BootNs
    datagrams: bool = False


class Hold(msgspec.Struct, frozen=True):
    """HOLD, device: every epoch it holds, the present one first; `more` frames follow.

    `lost` says why epochs that it does not name are no longer there, where the device knows.
    """

    epochs: list[Held]
    more: bool = False
    lost: Name | None = None


class Mark(msgspec.Struct, frozen=True):
    """The highest seq of an epoch that is committed; 0 for an epoch never heard of."""

    epoch: Epoch
    mark: Number


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

    epoch: Epoch
    first_seq: Seq
    last_seq: Seq
    reason: Name
    readings: Number | None = None
    first_ns: BootNs | None = None
    last_ns: BootNs | None = None


class End(msgspec.Struct, frozen=True):
    """END, device: the epoch has no batch behind `last_seq`, and held `readings` in all.

    Both None: nobody knows; what was lost was read before `until`.
    """

    epoch: Epoch
    reason: Name
    last_seq: Number | None = None
    readings: Number | None = None
    until: Moment | None = None


class Ack(msgspec.Struct, frozen=True):
    """ACK, collector: everything of `epoch` up to `mark` is committed; with `ended`, its END too."""

    epoch: Epoch
    mark: Number
    ended: bool = False


class Reject(msgspec.Struct, frozen=True):
    """REJECT, collector: this batch can never be stored; a GAP `rejected` is to take its place.

    `detail` says why, for people. Until that GAP comes, further batches of the epoch are dropped.
    """

    epoch: Epoch
    seq: Seq
    detail: Text = ""


class Command(msgspec.Struct, frozen=True):
    """COMMAND, collector: do this within `within_s`, or not at all; RESULT of the same id answers."""

    id: Number
    name: Name
    arguments: Annotated[list[Text], Meta(max_length=16)] = []
    within_s: Annotated[float, Meta(gt=0, le=3600)] = 10.0


class Result(msgspec.Struct, frozen=True):
    """RESULT, device: what came of a COMMAND; `detail` is for people, `values` what it gave."""

    id: Number
    ok: bool
    detail: Text = ""
    values: Annotated[dict[Text, str | float | None], Meta(max_length=2000)] = {}


class OpenDatagrams(msgspec.Struct, frozen=True):
    """OPEN_DATAGRAMS, device: batches of this new epoch will come as datagrams; give me a key."""

    epoch: Epoch
    clock: Moment
    began_ns: BootNs


class DatagramKey(msgspec.Struct, frozen=True):
    """DATAGRAM_KEY, collector: the key for one datagram epoch, and the id that its datagrams carry."""

    epoch: Epoch
    key_id: Annotated[int, Meta(ge=0, le=2**32 - 1)]
    key: Secret


class Report(msgspec.Struct, frozen=True):
    """REPORT, collector: of `highest_seq` datagrams of the epoch so many were received and stored.

    `kernel_drops` counts datagrams, of any device, that the collector's kernel had no room for.
    """

    epoch: Epoch
    highest_seq: Number
    received: Number
    kernel_drops: Number = 0


class Key(msgspec.Struct, frozen=True):
    """KEY, collector: this is the device's key from now on; its former one holds until it is used."""

    key: Secret


class Ping(msgspec.Struct, frozen=True):
    """PING, either end: answer with a PONG of the same token."""

    token: Number = 0


class Pong(msgspec.Struct, frozen=True):
    """PONG, either end: the answer to a PING.

    `clock` is what the clocks of a device showed when it read the PING; no one else says it.
    """

    token: Number = 0
    clock: Moment | None = None


class Bye(msgspec.Struct, frozen=True):
    """BYE, either end: I close now. `retry_after_s`: not again before; `detail`: for people."""

    reason: Name
    retry_after_s: Annotated[float, Meta(ge=0, le=86400)] = 0.0
    detail: Text = ""

"""Many instants as text at once: RFC 3339 with milliseconds and the offset of a zone, as a matrix of bytes.

The same as collector.times.told gives of each, without a step of Python for each.
"""

from datetime import datetime, tzinfo

import numpy as np
import numpy.typing as npt

from collector.times import told

Times = npt.NDArray[np.int64]
Text = npt.NDArray[np.uint8]

_SECOND_NS = 10**9
_MILLISECOND_NS = 10**6
_DAY_S = 86_400
# Offsets change at quarters of an hour, wherever that was ever done since 1970.
_QUARTER_S = 900
_BYTES = len("2026-11-23T12:00:00.000+09:00")


def _digits(count: int, width: int) -> Text:
    text = "".join(f"{number:0{width}}" for number in range(count))
    return np.frombuffer(text.encode(), np.uint8).reshape(count, width)


_TWO, _THREE = _digits(100, 2), _digits(1000, 3)


def stamped(times_ns: Times, zone: tzinfo) -> Text:
    """Return the text of each instant, a row each, all of one length.

    Raises:
        ValueError: the zone had an offset with seconds then.
    """
    seconds = times_ns // _SECOND_NS
    quarters, which = _distinct(seconds // _QUARTER_S)
    offsets_s = [_offset_s(quarter * _QUARTER_S, zone) for quarter in quarters.tolist()]
    local_s = seconds + np.array(offsets_s, np.int64)[which]
    days, which_day = _distinct(local_s // _DAY_S)
    of_day = local_s % _DAY_S
    text = np.empty((len(times_ns), _BYTES), np.uint8)
    text[:, 0:10] = _dates(days)[which_day]
    text[:, 10], text[:, 13], text[:, 16], text[:, 19] = ord("T"), ord(":"), ord(":"), ord(".")
    text[:, 11:13] = _TWO[of_day // 3600]
    text[:, 14:16] = _TWO[of_day // 60 % 60]
    text[:, 17:19] = _TWO[of_day % 60]
    text[:, 20:23] = _THREE[times_ns % _SECOND_NS // _MILLISECOND_NS]
    text[:, 23:29] = _rows([_offset_told(each) for each in offsets_s], 6)[which]
    return text


def json_texts(times_ns: Times, zone: tzinfo) -> bytes:
    """Return the instants as a list of texts in JSON."""
    if not len(times_ns):
        return b"[]"
    try:
        text = stamped(times_ns, zone)
    except ValueError:
        words = ",".join(f'"{told(each, zone)}"' for each in times_ns.tolist())
        return f"[{words}]".encode()
    framed = np.empty((len(times_ns), _BYTES + 3), np.uint8)
    framed[:, 0] = framed[:, -2] = ord('"')
    framed[:, -1] = ord(",")
    framed[:, 1:-2] = text
    return b"[" + framed.tobytes()[:-1] + b"]"


def texts(times_ns: Times, zone: tzinfo) -> list[bytes]:
    """Return the text of each instant."""
    try:
        whole = stamped(times_ns, zone).tobytes()
    except ValueError:
        return [told(each, zone).encode() for each in times_ns.tolist()]
    return [whole[at : at + _BYTES] for at in range(0, len(whole), _BYTES)]


def _distinct(numbers: Times) -> tuple[Times, Times]:
    """Return the runs of equal numbers, and which one each belongs to; cheaper than sorting."""
    begins = np.empty(len(numbers), np.bool_)
    begins[:1] = True
    np.not_equal(numbers[1:], numbers[:-1], out=begins[1:])
    return numbers[begins], np.cumsum(begins) - 1


def _offset_s(at_s: int, zone: tzinfo) -> int:
    offset = datetime.fromtimestamp(at_s, zone).utcoffset()
    assert offset is not None, "it has a zone"
    offset_s = round(offset.total_seconds())
    if offset_s % 60:
        raise ValueError("an offset with seconds")
    return offset_s


def _offset_told(offset_s: int) -> str:
    minutes = abs(offset_s) // 60
    return f"{'-' if offset_s < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}"


def _dates(days: Times) -> Text:
    return _rows(days.astype("datetime64[D]").astype(str).tolist(), 10)


def _rows(words: list[str], width: int) -> Text:
    return np.frombuffer("".join(words).encode(), np.uint8).reshape(len(words), width)

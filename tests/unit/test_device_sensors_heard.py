"""What was heard: bytes as lines, and what is said of silence and of noise. Time is what a test says."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.sensors import SensorError
from device.sensors.heard import Heard, Splitter
from device.sensors.line import MAX_BYTES, MAX_CHANNELS, Parser
from wire.readings import Quality

SECOND_NS = 10**9


def listening(stale_after_s=60.0):
    """Somebody who listens from the time 0 on."""
    heard = Heard(Parser("auto").line, stale_after_s)
    heard.listens(0)
    return heard


def stale(heard, at_s):
    """The channels that are stale at a time."""
    samples = heard.read(at_s * SECOND_NS)
    assert all(math.isnan(each.value) and each.quality == Quality.STALE for each in samples)
    return [each.channel for each in samples]


@given(st.lists(st.binary(max_size=10)), st.booleans())
def test_lines_do_not_depend_on_how_bytes_come(chunks, from_within):
    """In whatever pieces: CR, LF and both end a line, blank ones are nothing."""
    whole = b"".join(chunks)
    splitter = Splitter(from_within=from_within)
    lines = [line for chunk in chunks for line in splitter.feed(chunk)] + splitter.end()
    expected = whole.replace(b"\r", b"\n").split(b"\n")
    assert lines == [line for line in expected[from_within:] if line.strip()]


def test_a_line_that_nobody_heard_begin_is_left_out():
    """Half a number would be another number."""
    splitter = Splitter(from_within=True)
    assert splitter.feed(b"1.5\n2") == []
    assert splitter.feed(b"1.6\n") == [b"21.6"]
    assert Splitter(from_within=True).end() == []


def test_a_line_without_end_takes_no_memory():
    """It comes as one that is too long, once it ends."""
    splitter = Splitter()
    for _ in range(100):
        assert splitter.feed(b"x" * 1000) == []
        assert len(splitter._rest) <= MAX_BYTES + 1
    assert [len(line) for line in splitter.feed(b"\na=1\n")] == [MAX_BYTES + 1, 3]


def test_a_line_is_stamped_when_it_ended():
    """Two never at the same time: they would be one reading."""
    heard = listening()
    assert heard.take(b"a=1 b=2", 5) == (5, [("a", 1, "", 0), ("b", 2, "", 0)])
    assert heard.take(b"a=2", 5)[0] == 6
    assert heard.take(b"a=3", 4)[0] == 7
    assert [channel.name for channel in heard.channels] == ["a", "b"]


def test_a_read_repeats_nothing():
    """What was heard was given when it came."""
    heard = listening()
    heard.take(b"a=1", 0)
    assert heard.read(60 * SECOND_NS) == []


def test_each_channel_falls_silent_for_itself():
    """One probe of three that is gone shows, and it is over once it is heard again."""
    heard = listening()
    heard.take(b"a=1 b=1", 0)
    heard.take(b"a=2", 50 * SECOND_NS)
    assert stale(heard, 61) == ["b"]
    assert stale(heard, 111) == ["a", "b"]
    heard.take(b"b=2", 112 * SECOND_NS)
    assert stale(heard, 113) == ["a"]


def test_silence_from_the_beginning_is_an_error_in_time():
    """Not before `stale_after`; and opening it again does not start that anew."""
    heard = listening()
    assert heard.read(60 * SECOND_NS) == []
    heard.listens(60 * SECOND_NS)
    with pytest.raises(SensorError, match=r"nothing has been heard yet, in 60 s \(`stale_after`\)"):
        heard.read(61 * SECOND_NS)


def test_silence_may_be_right():
    """`stale_after: null`, where something comes only when it changes."""
    heard = listening(None)
    assert heard.read(10**18) == []
    heard.take(b"door 1", 0)
    assert heard.read(10**18) == []


def test_noise_is_an_error_where_nothing_else_comes():
    """At once, counted, with the last line; each is told once."""
    heard = listening()
    assert heard.take(b"hello", 0) is None
    assert heard.take(b"\xff\xfe", 0) is None
    with pytest.raises(
        SensorError, match=r"^2 lines that are no reading; the last: .* is no text$"
    ):
        heard.read(1)
    assert heard.read(2) == []
    heard.take(b"bye", 3)
    with pytest.raises(
        SensorError, match=r"^1 line that is no reading; the last: `bye` is no number"
    ):
        heard.read(4)


def test_noise_between_readings_is_no_matter():
    """While something good is fresh; then it is why nothing came."""
    heard = listening()
    heard.take(b"a=1", 0)
    heard.take(b"hello", 1)
    assert heard.read(2) == []
    with pytest.raises(SensorError, match="1 line"):
        heard.read(61 * SECOND_NS)
    assert stale(heard, 62) == ["a"]


def test_noise_cannot_make_channels_without_end():
    """Those that there are by then go on."""
    heard = listening()
    for n in range(2 * MAX_CHANNELS):
        heard.take(b"c%d 1" % n, n)
    assert len(heard.channels) == MAX_CHANNELS
    assert heard.take(b"c0 2", 1000) is not None
    assert heard.take(b"c100 2", 1000) is None

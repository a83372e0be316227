"""Lines as readings: the forms, what is left out, what is refused, and any bytes at all."""

import json
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from device.sensors.line import MAX_BYTES, MAX_CHANNELS, LineError, Parser, channel_name, problems
from wire.readings import is_sensor_name

FORMS = ("auto", "number", "name value", "key=value", "json")
PARSERS = [*map(Parser, FORMS), Parser("regex", "(?P<a>[0-9.]+).*?(?P<b>[0-9.]+)?")]
NAMES = st.from_regex(r"[a-z][a-z0-9]{0,20}", fullmatch=True)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


def said(line, parse="auto", pattern=None):
    """What a line says."""
    return Parser(parse, pattern).line(line.encode())


def refused(line, parse="auto", pattern=None):
    """Why a line is no reading."""
    with pytest.raises(LineError) as error:
        said(line, parse, pattern)
    return str(error.value)


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("21.5", {"value": 21.5}),
        ("  -3\r", {"value": -3}),
        ("1e-3", {"value": 0.001}),
        ("+.5", {"value": 0.5}),
        ("7.", {"value": 7}),
        ("level 0.83", {"level": 0.83}),
        ("level\t0.83", {"level": 0.83}),
        ("temperature=21.5 humidity=40", {"temperature": 21.5, "humidity": 40}),
        ("t=21.5,h=40; p=1013,", {"t": 21.5, "h": 40, "p": 1013}),
        ("t = 21.5, h = 40", {"t": 21.5, "h": 40}),
        ("Temperature: 21.5\tHumidity:40", {"temperature": 21.5, "humidity": 40}),
        ("t=21.5 status=ok h=nan", {"t": 21.5}),
        ("28-0316=21.5", {"value_28_0316": 21.5}),
        ('{"t": 21.5}', {"t": 21.5}),
        (
            '{"Air Now": {"T": 1, "id": "x", "on": true, "off": null}}',
            {"air_now_t": 1, "air_now_on": 1},
        ),
        ('{"p": [1, {"q": 2}]}', {"p_1": 1, "p_2_q": 2}),
        ("[3, 4]", {"value_1": 3, "value_2": 4}),
    ],
)
def test_a_newcomers_line_needs_no_option(line, values):
    """Each of the four forms is told by its looks."""
    assert said(line) == values


@pytest.mark.parametrize(
    ("line", "parse"),
    [
        ("+21.5", "number"),  # JSON has no sign before it
        ("level 0.83", "name value"),
        ("level=0.83", "key=value"),
        ('{"a": 1}', "json"),
    ],
)
def test_a_form_that_is_named_takes_no_other(line, parse):
    """Every other form has an error for it."""
    assert said(line, parse)
    for other in set(FORMS) - {parse, "auto"}:
        assert refused(line, other)


def test_json_may_be_a_number_alone():
    """For a program that prints one."""
    assert said("21.5", "json") == {"value": 21.5}


def test_a_decimal_comma_is_answered_with_a_point():
    """In every form in which people may write one."""
    for line in ("21,5", "level 21,5", "t=21,5 h=40"):
        assert refused(line).endswith("`21,5`: write a number with a point, `21.5`")
    assert "`21.5`" in refused("21,5", "number")


@pytest.mark.parametrize(
    "number", ["nan", "inf", "-inf", "1e999", "0x10", "1_000", "٣", "ok", "1 2"]
)
def test_what_is_no_finite_number_is_no_reading(number):
    """Alone, named, and by key."""
    assert refused(number, "number") == f"`{number}` is no number"
    assert f"`{number}` is no number" in refused(f"level {number}", "name value")
    assert refused(f"level={number}", "key=value")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("", "nothing at all"),
        ("boot ok 3", "is no number, `name value`, `key=value` or JSON"),
        ("temp=47.8'C", "no number in `temp=47.8'C`. `parse: regex` with a `pattern`"),
        ("12:30:01 t=3", "`12:30:01` in `12:30:01 t=3` is no key=value"),
        ("a=1 A=2", "the channel `a` stands there twice"),
        ('{"a": 1, "A": 2}', "the channel `a` stands there twice"),
        ("=1", "`=1` in `=1` is no key=value"),
        ("°=1", "`°` can be no channel"),
        ("x" * 64 + "=1", "a name has 1 to 63 letters"),
        ("12 13", "begins with a letter"),
        ('{"a": ', "is no JSON"),
        ('{"a": NaN}', "is no JSON"),
        ('{"a": "1"}', "no number in"),
        ("[" * 20 + "1" + "]" * 20, "more than 8 levels"),
        ('{"a": 1' + "0" * 400 + "}", "1000000000"),
        ("a=1 \x1b[2J=2", "control characters"),
        (json.dumps(list(range(MAX_CHANNELS + 1))), "more than 64 values"),
        ("1" * (MAX_BYTES + 1), "a line of more than 4096 bytes"),
    ],
)
def test_the_error_says_what_is_wrong(line, told):
    """In words for who wrote the line."""
    assert told in refused(line)


def test_bytes_that_are_no_text_are_refused():
    """As a wrong baud rate gives them."""
    with pytest.raises(LineError, match="is no text"):
        Parser("auto").line(b"t=\xff\xfe 1")


def test_a_pattern_takes_numbers_out_of_any_line():
    """One channel a named group; it is searched for, and one that did not take part is left out."""
    pattern = r"T is (?P<t>\S+)( raw (?P<raw>\d+))?"
    assert said("12:30 T is 21.5 raw 512", "regex", pattern) == {"t": 21.5, "raw": 512}
    assert said("T is 21.5", "auto", pattern) == {"t": 21.5}
    assert "does not match the pattern" in refused("nothing", "regex", pattern)
    assert "no number in `T is hot`" in refused("T is hot", "regex", pattern)


@pytest.mark.parametrize(
    ("options", "option", "told"),
    [
        ({"parse": "regex"}, "parse", "needs the option `pattern`"),
        ({"parse": "json", "pattern": "(?P<a>.)"}, "pattern", "is for `parse: regex`"),
        ({"pattern": "("}, "pattern", "no regular expression"),
        ({"pattern": "(.)"}, "pattern", "no named group"),
        ({"pattern": "(?P<Level>.)"}, "pattern", "the group `Level`"),
        ({"pattern": "".join(f"(?P<a{n}>.)" for n in range(65))}, "pattern", "more than 64"),
    ],
)
def test_a_wrong_pattern_is_found_beforehand(options, option, told):
    """With the option at fault."""
    [problem] = problems(options)
    assert problem.option == option
    assert told in problem.message


def test_a_right_pattern_has_no_problem():
    """Alone, and with its form."""
    assert problems({"pattern": "(?P<a>.)"}) == []
    assert problems({"pattern": "(?P<a>.)", "parse": "regex"}) == []
    assert problems({"parse": "json"}) == []


def test_a_program_may_print_its_values_on_many_lines():
    """Blank ones between them; one channel in two of them is an error."""
    assert Parser("auto").output(b"\na=1\n\nb 2\n") == {"a": 1, "b": 2}
    with pytest.raises(LineError, match="`a` stands there twice"):
        Parser("auto").output(b"a=1\na=2\n")
    with pytest.raises(LineError, match="is no number"):
        Parser("auto").output(b"Sensor tool 1.2\na=1\n")
    with pytest.raises(LineError, match="more than 64 values"):
        Parser("auto").output(b"\n".join(b"a%d=1" % n for n in range(65)))


def test_json_and_patterns_take_the_whole_output():
    """JSON printed for people, and a pattern that spans lines or means the begin of one."""
    assert Parser("auto").output(b'{\n  "a": 1\n}\n') == {"a": 1}
    assert Parser("json").output(b'{\n  "a": 1\n}\n') == {"a": 1}
    assert Parser("regex", r"^t:\s(?P<t>.*)$").output(b"head\nt:\n3\n") == {"t": 3}


@given(st.sampled_from(PARSERS), st.binary(max_size=300))
@example(PARSERS[0], b"[" * 5000)
@example(PARSERS[4], b'{"a":' * 800)
def test_any_bytes_give_readings_or_a_line_error(parser, data):
    """Never another error, a name that is no channel, or a number that is not finite."""
    for parse in (parser.line, parser.output):
        try:
            values = parse(data)
        except LineError:
            continue
        assert 0 < len(values) <= MAX_CHANNELS
        assert all(is_sensor_name(name) for name in values)
        assert all(type(value) is float and math.isfinite(value) for value in values.values())


@given(st.sampled_from(PARSERS), st.text(alphabet='{}[]",:=-+.e019 \tabNT_°²', max_size=60))
def test_what_nearly_is_a_line_gives_readings_or_a_line_error(parser, text):
    """Likewise for characters that mean something."""
    test_any_bytes_give_readings_or_a_line_error.hypothesis.inner_test(parser, text.encode())


@given(st.dictionaries(NAMES, NUMBERS, min_size=1, max_size=8))
def test_what_was_printed_is_what_a_channel_gives(values):
    """To the last digit, in every form, in the order of the line."""
    keys = " ".join(f"{name}={value!r}" for name, value in values.items())
    for line, parse in ((keys, "key=value"), (json.dumps(values), "json")):
        for form in ("auto", parse):
            assert list(said(line, form).items()) == list(values.items())
    for name, value in values.items():
        for form in ("auto", "name value"):
            assert said(f"{name} {value!r}", form) == {name: value}
        for form in ("auto", "number", "json"):
            assert said(repr(value), form) == {"value": value}


@given(NAMES)
def test_a_name_that_can_be_a_channel_stays_as_it_is(name):
    """So that who prints channels gets them."""
    assert channel_name(name) == name

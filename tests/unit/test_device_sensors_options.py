"""Options of drivers: what fits, and what people are told of what does not."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.sensors.options import Option, check, choices, completed

OPTIONS = (
    Option("pin", (int, str), is_required=True),
    Option("period", (float,), 0.001, 60, of="seconds", default=10),
    Option("inverted", (bool,), may_be_null=True),
    Option("unit", (str,), most=4),
    Option("anything"),
)


@pytest.mark.parametrize(
    "options",
    [
        {"pin": 4},
        {"pin": "GPIO4", "period": 60, "inverted": None, "unit": "degC", "anything": [1]},
        {"pin": 4, "period": 0.001, "inverted": False, "unit": "m²"},
    ],
)
def test_accepts_what_fits(options):
    """Types, bounds (inclusive), null where allowed, and a whole number where a float is meant."""
    assert check("d", options, OPTIONS) == []


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("pin", 4.0, "`pin` must be a whole number or text, not 4.0"),
        ("pin", True, "`pin` must be a whole number or text, not True"),
        ("pin", None, "`pin` must be a whole number or text, not None"),
        ("period", "10s", "`period` must be a number of seconds from 0.001 to 60, not '10s'"),
        ("period", 61, "`period` must be a number of seconds from 0.001 to 60, not 61"),
        ("period", math.nan, "`period` must be a number of seconds from 0.001 to 60, not nan"),
        ("period", math.inf, "`period` must be a number of seconds from 0.001 to 60, not inf"),
        ("inverted", 1, "`inverted` must be true or false, or null, not 1"),
        ("unit", "µg/m³", "`unit` must be text, 4 bytes at most, not 'µg/m³'"),
    ],
)
def test_says_what_was_accepted(name, value, message):
    """One problem, at the option's key, with what fits and what was there."""
    assert check("d", {"pin": 4, name: value}, OPTIONS) == [(name, message)]


def test_unknown_option_is_answered_with_the_nearest_and_all():
    """Did you mean, and the list of what there is."""
    [problem] = check("gpiozero:Button", {"pin": 4, "peroid": 1}, OPTIONS)
    assert problem == (
        "peroid",
        "`gpiozero:Button` has no option `peroid`. Did you mean `period`? "
        "Accepted: pin, period, inverted, unit, anything",
    )


def test_missing_option_is_a_problem_of_the_driver():
    """There is no key to point at where the key is what is missing."""
    assert check("d", {}, OPTIONS) == [(None, "`d` needs the option `pin`")]


def test_all_problems_come_at_once():
    """A user mends the file in one go."""
    assert len(check("d", {"period": -1, "unit": 3, "nonsense": 1}, OPTIONS)) == 4


def test_a_driver_without_options_says_so():
    """No empty list of accepted options is shown."""
    assert check("d", {"x": 1}, ()) == [("x", "`d` takes no options")]


def test_completed_fills_in_the_defaults():
    """What was given wins; null counts as given."""
    full = completed({"pin": 4, "inverted": None}, OPTIONS)
    assert full == {"pin": 4, "period": 10, "inverted": None, "unit": None, "anything": None}


def test_choices_without_a_near_name():
    """Nothing is suggested for what is like nothing."""
    assert choices("zzz", ["pin", "unit"]) == " Accepted: pin, unit"


_NAMES = st.sampled_from([option.name for option in OPTIONS]) | st.text(max_size=80)
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=80)
_VALUES = _SCALARS | st.lists(_SCALARS, max_size=3) | st.dictionaries(_NAMES, _SCALARS, max_size=3)


@given(st.dictionaries(_NAMES, _VALUES, max_size=6))
def test_check_takes_whatever_yaml_can_hold(options):
    """Any options give problems of one short line each, never an exception."""
    for problem in check("d", options, OPTIONS):
        assert problem.option is None or problem.option in options
        assert len(problem.message) < 300
        assert problem.message.isprintable()


def test_a_number_beyond_all_floats_is_out_of_range():
    """Python's whole numbers have no end; comparing them must not raise."""
    [problem] = check("d", {"pin": 4, "period": 10**400}, OPTIONS)
    assert problem.option == "period"

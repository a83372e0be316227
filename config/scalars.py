"""Reads a single YAML value as text, number or truth value, and explains what YAML takes it for.

YAML 1.1 makes something else of much that looks like text: `no` is false, `22:30` is 1350, `010` is
8. What could be taken in two ways is an error here. Functions raise ValueError with the sentence.
"""

import contextlib
import math
import re
from typing import Any

import yaml

from config.nodes import Scalar
from config.problems import shown

_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]*)|0x[0-9a-fA-F]+")
_DECIMAL = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_DISPUTED = re.compile(r"[-+]?(0[0-9_]+|0o[0-7_]+|[0-9][0-9_]*[eE][-+]?[0-9]+)")
_TRUTHS = {"true": True, "false": False}
_LARGEST = 2**63 - 1


def read_text(scalar: Scalar) -> str:
    """Return text that YAML takes for text too."""
    if scalar.tag == "null":
        raise ValueError("a value is missing here: write one, or take the line away")
    if scalar.tag != "str":
        raise ValueError(
            f"{_taken(scalar)}. Text is wanted here: put it in quotes, '{shown(scalar.text)}'"
        )
    return scalar.text


def read_truth(scalar: Scalar) -> bool:
    """Return whether it says true or false; not what YAML takes for either besides."""
    truth = _TRUTHS.get(scalar.text.lower())
    if scalar.is_plain and truth is not None:
        return truth
    if scalar.is_plain and scalar.tag == "bool":
        raise ValueError(f"{_taken(scalar)}. Write true or false")
    text = shown(scalar.text)
    if not scalar.is_plain:
        raise ValueError(f"`{text}` in quotes is text: write true or false, without quotes")
    raise ValueError(f"`{text}` is neither true nor false: write one of them")


def read_any(scalar: Scalar) -> Any:
    """Return what the value plainly is, whatever it is."""
    if not scalar.is_plain:
        return scalar.text
    match scalar.tag:
        case "str":
            return _text(scalar)
        case "int":
            return _whole_number(scalar)
        case "float":
            return _number(scalar)
        case "bool":
            return _boolean(scalar)
        case "null":
            return None
    raise _refusal(scalar)


def _boolean(scalar: Scalar) -> bool:
    truth = _TRUTHS.get(scalar.text.lower())
    if truth is not None:
        return truth
    raise ValueError(
        f"{_taken(scalar)}. Write true or false, or put text in quotes: '{scalar.text}'"
    )


def _whole_number(scalar: Scalar) -> int:
    if not _WHOLE.fullmatch(scalar.text):
        raise _refusal(scalar)
    value = int(scalar.text, 0) if len(scalar.text) < 25 else _LARGEST + 1
    if abs(value) > _LARGEST:
        raise ValueError(f"{shown(scalar.text)} is too large: the limit is {_LARGEST}")
    return value


def _number(scalar: Scalar) -> float:
    if not _DECIMAL.fullmatch(scalar.text):
        raise _refusal(scalar)
    value = float(scalar.text)
    if not math.isfinite(value):
        raise ValueError(f"{shown(scalar.text)} is too large")
    return value


def _text(scalar: Scalar) -> str:
    if _DISPUTED.fullmatch(scalar.text):
        raise ValueError(
            f"`{shown(scalar.text)}` is a number to some programs and text to others. Write a "
            f"plain number, or put text in quotes: '{shown(scalar.text)}'"
        )
    return scalar.text


def _refusal(scalar: Scalar) -> ValueError:
    return ValueError(
        f"{_taken(scalar)}. Write a plain number, or put text in quotes: '{shown(scalar.text)}'"
    )


def _taken(scalar: Scalar) -> str:
    """Say what YAML takes the value for."""
    return f"`{shown(scalar.text)}` without quotes is {_meaning(scalar)} to YAML"


def _meaning(scalar: Scalar) -> str:
    builder = yaml.constructor.SafeConstructor()
    node = yaml.ScalarNode(f"tag:yaml.org,2002:{scalar.tag}", scalar.text)
    if scalar.tag == "timestamp":
        return "a date"
    if scalar.tag == "bool":
        return f"the truth value {str(builder.construct_yaml_bool(node)).lower()}"
    if scalar.tag == "int" and len(scalar.text) < 25:
        with contextlib.suppress(ValueError):  # `0x_` is an int to the resolver and to nobody else
            return f"the number {builder.construct_yaml_int(node)}"
    return "a number"

"""The JSON Schemas: made from the types, and the committed ones current."""

import json

import pytest

from collector.settings import CollectorSettings
from config.files import shipped
from config.schema import text
from device.settings import DeviceSettings

BOTH = [(DeviceSettings, "device"), (CollectorSettings, "collector")]


@pytest.mark.parametrize(("settings_type", "program"), BOTH)
def test_the_committed_schema_is_current(settings_type, program):
    """Whoever changes a setting makes its schema again."""
    committed = shipped(f"{program}.schema.json").read_text(encoding="utf-8")
    command = f"python -m {program} schema > config/{program}.schema.json"
    assert committed == text(settings_type), f"out of date, run: {command}"


def _sections(schema):
    """Every object of a schema, itself included."""
    if schema.get("type") in ("object", ["object", "null"]):
        yield schema
    for part in schema.get("properties", {}).values():
        yield from _sections(part)
    if isinstance(schema.get("additionalProperties"), dict):
        yield from _sections(schema["additionalProperties"])


@pytest.mark.parametrize(("settings_type", "program"), BOTH)
def test_sections_are_closed_and_every_key_is_described(settings_type, program):
    """Editors must show what a key does, and that a misspelt one does not exist."""
    schema = json.loads(text(settings_type))
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    sections = [each for each in _sections(schema) if "properties" in each]
    assert len(sections) > 3
    for section in sections:
        assert section["additionalProperties"] is False
        for key, part in section["properties"].items():
            assert part["description"].endswith("."), key


def test_the_schema_says_what_the_types_say():
    """Names in YAML, patterns, choices, limits and defaults as people write them."""
    schema = json.loads(text(DeviceSettings))
    keys = schema["properties"]
    assert schema["required"] == ["sensors"]
    assert keys["defaults"]["properties"]["interval"]["default"] == "10s"
    assert keys["defaults"]["properties"]["interval"]["pattern"] == "^[0-9]{1,12}(ms|s|m|h|d|y)$"
    assert keys["spool"]["properties"]["max_size"]["default"] == "256MiB"
    assert keys["spool"]["type"] == ["object", "null"]
    assert sorted(keys["logs"]["properties"]["level"]["enum"]) == sorted(
        ["debug", "info", "warning", "error"]
    )
    allow = keys["commands"]["properties"]["allow"]
    assert (allow["type"], allow["uniqueItems"]) == ("array", True)
    assert sorted(allow["items"]["enum"]) == ["identify", "ping", "read_now", "set_interval"]
    assert allow["default"] == ["ping", "identify", "read_now"]
    sensors = keys["sensors"]
    assert sensors["minProperties"] == 1
    assert sensors["propertyNames"] == {"pattern": "^[a-z][a-z0-9_]{0,62}$"}
    sensor = sensors["additionalProperties"]
    assert sensor["required"] == ["driver"]
    assert "additionalProperties" not in sensor["properties"]["options"]
    assert "default" not in sensor["properties"]["interval"]

"""Makes the JSON Schema of a settings type, for editors that complete and check YAML as it is typed.

Says what the walker says, as far as JSON Schema (draft 07) can: the same keys, choices and notations.
Knows no setting.
"""

import inspect as python
import json
from typing import Any, cast

import msgspec
from msgspec import NODEFAULT, inspect

from config.notation import Notation

Schema = dict[str, Any]


def text(settings_type: type[msgspec.Struct]) -> str:
    """Return the schema as it is committed: the same text for the same type, always."""
    head = {"$schema": "http://json-schema.org/draft-07/schema#"}
    return (
        json.dumps(head | _schema(inspect.type_info(settings_type)), indent=2, ensure_ascii=False)
        + "\n"
    )


def _schema(kind: inspect.Type) -> Schema:
    match kind:
        case inspect.Metadata():
            return _annotated(kind)
        case inspect.UnionType(types=types):  # None is "left out", which editors need not offer
            (wanted,) = (each for each in types if not isinstance(each, inspect.NoneType))
            return _schema(wanted)
        case inspect.StructType():
            return _struct(kind)
        case inspect.DictType():
            return _dict(kind)
        case inspect.VarTupleType(item_type=item):
            return {"type": "array", "items": _schema(item), "uniqueItems": True}
    return _single(kind)


def _single(kind: inspect.Type) -> Schema:
    if isinstance(kind, inspect.LiteralType):
        return {"enum": list(kind.values)}
    return {"type": "string"} if isinstance(kind, inspect.StrType) else {}


def _annotated(kind: inspect.Metadata) -> Schema:
    """What stands further out in the annotation wins: a field describes its own use of a type."""
    return _written(_notation(kind), kind.type) | (kind.extra_json_schema or {})


def _notation(kind: inspect.Type) -> Notation | None:
    """Return the notation of a type, wherever in its annotation it stands."""
    match kind:
        case inspect.Metadata(extra={"notation": notation}):
            return cast(Notation, notation)
        case inspect.Metadata(type=inner):
            return _notation(inner)
        case inspect.UnionType(types=types):
            return next(filter(None, map(_notation, types)), None)
    return None


def _written(notation: Notation | None, kind: inspect.Type) -> Schema:
    if notation is None:
        return _schema(kind)
    accepted = f"Accepted: {notation.accepted}"
    if notation.json_type != "string":
        return {"type": notation.json_type}
    return {"type": "string", "pattern": notation.pattern, "patternErrorMessage": accepted}


def _dict(kind: inspect.DictType) -> Schema:
    names = _schema(kind.key_type)
    values = _schema(kind.value_type)
    schema: Schema = {"type": "object"}
    if kind.min_length:
        schema["minProperties"] = kind.min_length
    if "pattern" in names:
        schema["propertyNames"] = {"pattern": names["pattern"]}
    return schema | ({"additionalProperties": values} if values else {})


def _struct(kind: inspect.StructType) -> Schema:
    required = [field.encode_name for field in kind.fields if field.required]
    schema: Schema = {
        "description": python.cleandoc(kind.cls.__doc__ or ""),
        "type": "object" if required else ["object", "null"],
        "properties": {field.encode_name: _field(field) for field in kind.fields},
        "additionalProperties": False,
    }
    return schema | ({"required": required} if required else {})


def _field(field: inspect.Field) -> Schema:
    schema = _schema(field.type)
    if field.default is NODEFAULT or field.default is None or "properties" in schema:
        return schema
    notation = _notation(field.type)
    return schema | {"default": notation.write(field.default) if notation else field.default}

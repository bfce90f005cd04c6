"""One sentence out of pydantic's report: which field, what is wrong with it, what is expected there.

What is expected is read off the model's own JSON Schema, so that no second table of messages can drift.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ValidationError

Schema = dict[str, Any]


def first_complaint(model: type[BaseModel], error: ValidationError) -> tuple[str | None, str]:
    """(camelCase path or None, problem) of the first of `error`'s complaints, and how many more there are."""
    complaints = error.errors(include_url=False)
    first = complaints[0]
    path = tuple(first["loc"]) or tuple(filter(None, [first.get("ctx", {}).get("field")]))
    problem = _problem(first["type"], first["msg"], first["input"], expectation(model, path))
    if more := len(complaints) - 1:
        problem += f" (and {more} more)"
    return _dotted(path), problem


def expectation(model: type[BaseModel], path: tuple[int | str, ...]) -> str | None:
    """What the model's schema wants at `path`, in words; None if the schema doesn't say."""
    root = _schema(model)
    at: Schema | None = root
    for step in path:
        at = _step(_resolve(at, root), step, root)
        if at is None:
            return None
    return _words(at or root, root)


def _problem(kind: str, message: str, given: Any, expected: str | None) -> str:
    match kind:
        case "missing":
            wrong = "is missing"
        case "string_pattern_mismatch":
            wrong = "is empty"
        case "string_unicode":
            wrong = "holds half a surrogate pair"
        case "instant" | "json" | "conflict" | "config" | "range":  # our own validators, whose messages are whole
            return message
        case "too_long" | "too_short":
            wrong = f"has {len(given)} items"
        case "string_too_long":
            wrong = f"has {len(given)} characters"
        case _:
            wrong = f"is {_shown(given)}"
    return f"{wrong}; expected {expected}" if expected else f"{wrong}; {message}"


def _shown(value: Any) -> str:
    """A value as a reader of a log wants it: short, quoted, its type told."""
    match value:
        case str():
            return json.dumps(value if len(value) <= 40 else value[:39] + "…", ensure_ascii=False) + " (a string)"
        case None | bool() | float():
            return json.dumps(value)
        case int():
            # A bit length, because printing a number of thousands of digits is itself an error.
            return str(value) if value.bit_length() < 128 else "a very large number"
        case dict():
            return "an object"
        case list() | tuple():
            return "a list"
    return f"of type {type(value).__name__}"


def _dotted(path: tuple[int | str, ...]) -> str | None:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".") or None


@lru_cache(maxsize=64)
def _schema(model: type[BaseModel]) -> Schema:
    return model.model_json_schema(by_alias=True)


def _resolve(schema: Schema | None, root: Schema) -> Schema:
    while schema and "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    return schema or {}


def _step(schema: Schema, step: int | str, root: Schema) -> Schema | None:
    for option in map(lambda one: _resolve(one, root), schema.get("anyOf", [schema])):
        if isinstance(step, int):
            found = option.get("items")
        else:
            # A map with a rule for its keys says its values under a pattern.
            values = [*option.get("patternProperties", {}).values(), option.get("additionalProperties")]
            found = option.get("properties", {}).get(step) or values[0]
        if isinstance(found, dict):
            return found
    return None


def _words(schema: Schema, root: Schema) -> str:
    schema = _resolve(schema, root)
    if "anyOf" in schema:
        options = [one for one in schema["anyOf"] if one.get("type") != "null"]
        return " or ".join(_words(one, root) for one in options)
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    if "const" in schema:
        return json.dumps(schema["const"])
    match schema.get("type"):
        case "integer" | "number" as kind:
            return ("an integer" if kind == "integer" else "a number") + _range(schema)
        case "string" if schema.get("format") == "date-time":
            return "an ISO 8601 time with offset"
        case "string":
            noun = "a non-empty string" if "pattern" in schema else "a string"
            return f"{noun} of at most {schema['maxLength']} characters" if "maxLength" in schema else noun
        case "array":
            least, most = schema.get("minItems", 0), schema.get("maxItems")
            return "a list" if most is None else f"a list of {least} to {most} items"
        case "object":
            return "an object"
        case "boolean":
            return "true or false"
    return "something else"


def _range(schema: Schema) -> str:
    bounds = (schema.get(name) for name in ("minimum", "exclusiveMinimum", "maximum"))
    low, above, high = (int(bound) if bound is not None and bound == int(bound) else bound for bound in bounds)
    if high is not None and high > 10**15:  # the end of safe integers interests nobody
        high = None
    if low is not None:
        return f" from {low} to {high}" if high is not None else f" of at least {low}"
    if above is not None:
        return f" above {above}" + (f" and up to {high}" if high is not None else "")
    return ""

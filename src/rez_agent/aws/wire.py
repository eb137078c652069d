"""Items as DynamoDB writes them: ``{"S": "text"}`` and the like.

Items here hold texts, whole numbers, booleans, bytes, lists and maps of them. An attribute that is None is
not written, and so is not there when the item is read. Numbers that are not whole stand in JSON text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Item = dict[str, Any]


def to_wire(item: Mapping[str, Any]) -> Item:
    """An item, ready to be sent."""
    return {name: _value_to_wire(value) for name, value in item.items() if value is not None}


def from_wire(item: Mapping[str, Any]) -> Item:
    """The item of what was received."""
    return {name: value_from_wire(value) for name, value in item.items()}


def _value_to_wire(value: Any) -> Item:
    match value:
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": value}
        case int():
            return {"N": str(value)}
        case bytes():
            return {"B": value}
        case list() | tuple():
            return {"L": [_value_to_wire(part) for part in value]}
        case Mapping():
            return {"M": to_wire(value)}
    raise TypeError(f"an item can't hold {type(value).__name__}")


def value_from_wire(value: Mapping[str, Any]) -> Any:
    """One attribute's value."""
    ((kind, held),) = value.items()
    match kind:
        case "N":
            return int(held)
        case "L":
            return [value_from_wire(part) for part in held]
        case "M":
            return from_wire(held)
    return held

"""Encoder of the records in which ND2 files keep their metadata."""

import struct
from collections.abc import Mapping, Sequence
from typing import TypeAlias, Union

LvValue: TypeAlias = Union[  # noqa: UP007 - a recursive alias cannot be written with |
    bool, int, float, str, bytes, Sequence["LvValue"], Mapping[str, "LvValue"]
]

_BOOL, _INT32, _UINT32, _DOUBLE, _STRING, _BYTES, _LEVEL = 1, 2, 3, 6, 8, 9, 11


def encode_record(name: str, value: LvValue) -> bytes:
    """Return one record: type, name and value, with everything below it.

    The type follows from the value; integers are unsigned where the name starts with `ui`, as
    the microscope's software has it.

    Parameters
    ----------
    name : str
        Name of the record; empty for items of a list.
    value : bool, int, float, str, bytes, sequence or mapping
        A sequence becomes a level of nameless items, a mapping a level of named ones.

    Returns
    -------
    bytes
    """
    if isinstance(value, (Mapping, list, tuple)):
        return _encode_level(name, value)
    kind, payload = _encode_scalar(name, value)
    return _header(kind, name) + payload


def _header(kind: int, name: str) -> bytes:
    if not name:
        return bytes((kind, 0))
    encoded = name.encode("utf-16-le") + b"\0\0"
    return bytes((kind, len(encoded) // 2)) + encoded


def _encode_scalar(name: str, value: LvValue) -> tuple[int, bytes]:
    match value:
        case bool():
            return _BOOL, struct.pack("<B", value)
        case int() if name.startswith("ui"):
            return _UINT32, struct.pack("<I", value)
        case int():
            return _INT32, struct.pack("<i", value)
        case float():
            return _DOUBLE, struct.pack("<d", value)
        case str():
            return _STRING, value.encode("utf-16-le") + b"\0\0"
        case bytes():
            return _BYTES, struct.pack("<Q", len(value)) + value
    raise TypeError(f"Expected a value that ND2 metadata can hold, got {type(value).__name__}.")


def _encode_level(name: str, value: Mapping[str, LvValue] | Sequence[LvValue]) -> bytes:
    items = list(value.items()) if isinstance(value, Mapping) else [("", item) for item in value]
    header = _header(_LEVEL, name)
    position = len(header) + struct.calcsize("<IQ")
    offsets: list[tuple[str, int]] = []
    records: list[bytes] = []
    for item_name, item in items:
        offsets.append((item_name, position))
        records.append(encode_record(item_name, item))
        position += len(records[-1])
    index = struct.pack(f"<{len(items)}Q", *(offset for _, offset in sorted(offsets)))
    return header + struct.pack("<IQ", len(items), position) + b"".join(records) + index

"""Decoder of the records in which ND2 files keep their metadata, safe on damaged bytes.

A recording that is still being written may hand over anything. Every length is checked against
the bytes that are there before memory is taken, and nesting and unpacking have limits.
"""

import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, Union

LvValue: TypeAlias = Union[  # noqa: UP007 - a recursive alias cannot be written with |
    bool, int, float, str, bytes, Sequence["LvValue"], Mapping[str, "LvValue"]
]

_SCALARS = {
    1: struct.Struct("<?"),
    2: struct.Struct("<i"),
    3: struct.Struct("<I"),
    4: struct.Struct("<q"),
    5: struct.Struct("<Q"),
    6: struct.Struct("<d"),
    7: struct.Struct("<Q"),
}
_STRING, _BYTES, _LEVEL, _PACKED = 8, 9, 11, 76
_LEVEL_HEAD = struct.Struct("<IQ")
_OFFSET_BYTES = 8
_PACKED_HEAD_BYTES = 10
_LARGEST_UNPACKED = 2**26
_DEEPEST = 32


def decode_record(payload: bytes) -> dict[str, LvValue]:
    """Return the records of a metadata chunk by their names.

    Parameters
    ----------
    payload : bytes
        What stands in the chunk.

    Returns
    -------
    dict
        Levels are mappings, or lists where their items have no names.

    Raises
    ------
    ValueError
        If the bytes are not such records, nest deeper than any real file, or unpack to more than
        64 MiB.
    """
    cursor = _Cursor(payload)
    records: dict[str, LvValue] = {}
    while not cursor.is_at_end():
        name, value = _record(cursor, depth=0)
        records[name] = value
    return records


def find_values(value: LvValue, name: str) -> Iterator[LvValue]:
    """Yield every value of this name at any depth, in the order of the file."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key == name:
                yield item
            yield from find_values(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from find_values(item, name)


@dataclass(slots=True)
class _Cursor:
    data: bytes
    position: int = 0

    def is_at_end(self) -> bool:
        return self.position >= len(self.data)

    def take(self, n_bytes: int) -> bytes:
        end = self.position + n_bytes
        if n_bytes < 0 or end > len(self.data):
            raise ValueError(f"{n_bytes} bytes at {self.position} reach over the end")
        taken = self.data[self.position : end]
        self.position = end
        return taken

    def take_text(self) -> str:
        end = self.position
        while True:
            end = self.data.find(b"\0\0", end)
            if end < 0:
                raise ValueError(f"the text at {self.position} has no end")
            if (end - self.position) % 2 == 0:
                break
            end += 1
        text = self.take(end - self.position).decode("utf-16-le", "replace")
        self.position += 2
        return text


def _record(cursor: _Cursor, *, depth: int) -> tuple[str, LvValue]:
    if depth > _DEEPEST:
        raise ValueError(f"records nest deeper than {_DEEPEST} levels")
    start = cursor.position
    kind, n_characters = cursor.take(2)
    if kind == _PACKED:
        return _unpacked(cursor, depth)
    name = cursor.take(2 * n_characters).decode("utf-16-le", "replace").rstrip("\0")
    if kind in _SCALARS:
        layout = _SCALARS[kind]
        return name, layout.unpack(cursor.take(layout.size))[0]
    if kind == _STRING:
        return name, cursor.take_text()
    if kind == _BYTES:
        (n_bytes,) = struct.unpack("<Q", cursor.take(8))
        return name, cursor.take(n_bytes)
    if kind == _LEVEL:
        return name, _level(cursor, start, depth)
    raise ValueError(f"a record at {start} has the unknown type {kind}")


def _level(cursor: _Cursor, start: int, depth: int) -> LvValue:
    n_items, n_bytes = _LEVEL_HEAD.unpack(cursor.take(_LEVEL_HEAD.size))
    if start + n_bytes + n_items * _OFFSET_BYTES > len(cursor.data):
        raise ValueError(f"the level at {start} reaches over the end")
    pairs = [_record(cursor, depth=depth + 1) for _ in range(n_items)]
    cursor.position = start + n_bytes + n_items * _OFFSET_BYTES
    if pairs and not any(name for name, _ in pairs):
        return [value for _, value in pairs]
    return dict(pairs)


def _unpacked(cursor: _Cursor, depth: int) -> tuple[str, LvValue]:
    cursor.take(_PACKED_HEAD_BYTES)
    unpacker = zlib.decompressobj()
    try:
        unpacked = unpacker.decompress(cursor.data[cursor.position :], _LARGEST_UNPACKED)
    except zlib.error as error:
        raise ValueError(f"a packed record is damaged ({error})") from error
    if unpacker.unconsumed_tail:
        raise ValueError(f"a packed record is larger than {_LARGEST_UNPACKED} bytes")
    cursor.position = len(cursor.data) - len(unpacker.unused_data)
    return _record(_Cursor(unpacked), depth=depth + 1)

"""Paths as a shell takes them."""

from pathlib import Path

_PLAIN = frozenset("/\\:._-+=@%~")


def quoted(path: str | Path) -> str:
    """Return a path as it can be pasted into a command, in double quotes where it has to be.

    Double quotes are what the shells of Linux, macOS and Windows have in common.
    """
    text = str(path)
    is_plain = all(letter.isalnum() or letter in _PLAIN for letter in text)
    return text if is_plain else f'"{text}"'

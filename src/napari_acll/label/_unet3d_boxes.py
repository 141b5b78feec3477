"""Boxes that a volume is cut into."""

from collections.abc import Iterator, Sequence

Triple = tuple[int, int, int]
Box = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
"""First voxel and the one after the last, along `(Z, Y, X)`."""


def triple(values: Sequence[int]) -> Triple:
    """Return three numbers along `(Z, Y, X)`."""
    z, y, x = values
    return z, y, x


def boxes(shape: Triple, block: Triple) -> Iterator[Box]:
    """Yield boxes that tile a shape; the last ones may be smaller."""
    z_edges, y_edges, x_edges = (
        [(start, min(start + size, n)) for start in range(0, n, size)]
        for n, size in zip(shape, block, strict=True)
    )
    for z in z_edges:
        for y in y_edges:
            for x in x_edges:
                yield z, y, x


def as_slices(box: Box) -> tuple[slice, slice, slice]:
    """Return a box as an index."""
    z, y, x = (slice(*edges) for edges in box)
    return z, y, x

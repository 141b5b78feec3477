"""What a report says of the machine, the card and the software."""

import sys

from napari_acll.bench import commit, machine, versions


def facts() -> dict[str, object]:
    """Return machine, card and driver, versions and commit, as JSON values."""
    return {
        "machine": machine(),
        "python": sys.version,
        "versions": versions(),
        "commit": commit(),
    }

"""Look at what a session needs before it starts.

python examples/preflight.py worm.nd2 worm.acll
"""

import sys
from pathlib import Path

from napari_acll.core import AcllSettings, Light
from napari_acll.session import preflight


def main(recording: str, out: str) -> bool:
    """Print one line per requirement, and return whether a session could start."""
    checks = preflight(recording, settings=AcllSettings(), out=Path(out))
    for check in checks:
        print(f"{check.light.value:6} {check.name}: {check.sentence}")
    return all(check.light is not Light.RED for check in checks)


if __name__ == "__main__":
    sys.exit(not main(*sys.argv[1:]))

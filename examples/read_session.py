"""Read a session folder, also while it grows, and list the neurons that were found most surely.

python read_session.py SESSION
"""

import sys

import numpy as np

from napari_acll.export import SavedSession

N_SHOWN = 10


def main(path: str) -> None:
    """Print a table of the surest neurons."""
    saved = SavedSession.open(path)
    print(f"{path}: {saved.state}, {saved.n_timepoints} volumes, {len(saved.neurons)} neurons")
    confidence = saved.read("confidence")  # (volumes, neurons), NaN where absent
    ratio = saved.read("ratio")
    found = np.isfinite(ratio)
    surest = np.argsort(-np.nansum(confidence, axis=0))[:N_SHOWN]
    print("neuron  found in  confidence  mean ratio")
    for neuron in surest:
        seen = found[:, neuron]
        if not seen.any():
            continue
        print(
            f"{saved.neurons.names[neuron]:6}  {100 * seen.mean():6.0f} %"
            f"  {confidence[seen, neuron].mean():10.2f}  {ratio[seen, neuron].mean():10.3f}"
        )


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "example.acll")

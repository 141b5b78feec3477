"""How well nuclei are followed: whether a neuron is found by the track that it has always had.

Run by hand::

    python recipes/measure_links.py --recorded FOLDER/fast/labels --skip 15
    python recipes/measure_links.py --kind virtual --n 4 --rig fast --cache FOLDER

Recordings are those of `measure_identity.py`. A neuron's own track is the one that has found it
most often so far; a track that has found another nucleus more often carries that one's past.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from measure_identity import Recording, add_where, parser_of, recordings_of
from numpy.typing import NDArray

from napari_acll.core import LabelSettings, NeuronTable
from napari_acll.identity import EvidenceFilter
from napari_acll.identity._tracks import Tracks
from napari_acll.label import load_labeler

logger = logging.getLogger("measure_links")

Numbers = NDArray[np.int64]


class Numbering:
    """Gives each track a number of its own; tracks themselves need none."""

    def __init__(self) -> None:
        self._numbers: Numbers = np.zeros(0, np.int64)
        self._n_ever = 0
        self._is_seen = False

    def see(self, rows: Numbers) -> None:
        """Give numbers to those that are new."""
        n_new = int((rows < 0).sum())
        new = self._n_ever + np.arange(n_new)
        self._n_ever += n_new
        self._numbers = np.concatenate([self._numbers, new])
        self.of_found = self._numbers[np.where(rows >= 0, rows, 0)]
        self.of_found[rows < 0] = new
        self._is_seen = True

    def begin(self) -> None:
        """Forget all: the filter follows nothing that it has followed before."""
        self._numbers = self._numbers[:0]

    def keep(self, rows: NDArray[np.bool_]) -> None:
        """Forget those that are given up after a volume; others only look at some of them."""
        if self._is_seen:
            self._numbers = self._numbers[rows]
        self._is_seen = False


def tracks_of(recording: Recording, neurons: NeuronTable) -> list[Numbers | None]:
    """Return the number of each detection's track, volume by volume; None if not followed."""
    identity, numbering = EvidenceFilter(neurons=neurons), Numbering()
    seen, kept = Tracks.seen, Tracks.kept

    def numbered_seen(tracks: Tracks, rows: Numbers, *args: object, **kwargs: object) -> Tracks:
        if not len(tracks):
            numbering.begin()
        numbering.see(rows)
        return seen(tracks, rows, *args, **kwargs)  # type: ignore[arg-type]

    def numbered_kept(tracks: Tracks, rows: NDArray[np.bool_]) -> Tracks:
        numbering.keep(rows)
        return kept(tracks, rows)

    Tracks.seen, Tracks.kept = numbered_seen, numbered_kept  # type: ignore[method-assign,assignment]
    try:
        result: list[Numbers | None] = []
        for volume in recording.labeled:
            after = identity.update(volume)
            result.append(None if after is volume else numbering.of_found)
        return result
    finally:
        Tracks.seen, Tracks.kept = seen, kept  # type: ignore[method-assign]


def links(
    true: Sequence[NDArray], tracks: Sequence[Numbers | None], skip: int
) -> dict[str, float]:
    """Return in what part of the times, in %, neurons were found by which track.

    Parameters
    ----------
    true : sequence of ndarray of int64
        Class number of each detection, 0 for none of the listed neurons.
    tracks : sequence of ndarray of int64 or None
        Number of each detection's track.
    skip : int
        Volumes that are not counted.
    """
    of_neuron: dict[int, Counter[int]] = defaultdict(Counter)
    of_track: dict[int, Counter[int]] = defaultdict(Counter)
    n = n_own = n_alien = 0
    for index, (names, numbers) in enumerate(zip(true, tracks, strict=True)):
        if numbers is None:
            continue
        pairs = [(int(a), int(b)) for a, b in zip(names, numbers, strict=True)]
        for neuron, track in pairs:
            if index >= skip and neuron > 0 and of_neuron[neuron]:
                n += 1
                n_own += of_neuron[neuron].most_common(1)[0][0] == track
                past = of_track[track].most_common(1)
                n_alien += bool(past) and past[0][0] != neuron
        for neuron, track in pairs:
            of_track[track][neuron] += 1
            of_neuron[neuron][track] += neuron > 0
    return {"own track": 100 * n_own / n, "another's past": 100 * n_alien / n}


def main() -> None:
    """Follow, score and print."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = parser_of(__doc__, volumes=100, skip=15)
    add_where(parser)
    arguments = parser.parse_args()
    neurons = load_labeler(LabelSettings(device="cpu")).neurons
    rows = []
    for recording in recordings_of(arguments):
        rows.append(links(recording.true, tracks_of(recording, neurons), arguments.skip))
        logger.info("%s %s", recording.animal, {k: round(v, 1) for k, v in rows[-1].items()})
    logger.info("mean %s", {k: round(float(np.mean([r[k] for r in rows])), 1) for k in rows[0]})


if __name__ == "__main__":
    main()

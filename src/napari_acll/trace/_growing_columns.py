"""Values that are worked out column by column, while the recording grows."""

import numpy as np
from numpy.typing import NDArray

_FEWEST_COLUMNS = 256


class GrowingColumns:
    """An array of one row per neuron that gets columns without being copied each time."""

    def __init__(self) -> None:
        self._values: NDArray[np.float32] = np.zeros((0, 0), np.float32)

    def view(self, n_neurons: int, n_timepoints: int) -> NDArray[np.float32]:
        """Return the first columns, to read and to write into.

        Parameters
        ----------
        n_neurons, n_timepoints : int
            Shape that is wanted; with another number of neurons everything is forgotten.

        Returns
        -------
        ndarray of float32, shape (n_neurons, n_timepoints)
            What was written before; NaN in new columns.
        """
        known = self._values
        if len(known) != n_neurons or n_timepoints > known.shape[1]:
            n_columns = max(_FEWEST_COLUMNS, 2 * n_timepoints)
            self._values = np.full((n_neurons, n_columns), np.nan, np.float32)
            if len(known) == n_neurons:
                self._values[:, : known.shape[1]] = known
        return self._values[:, :n_timepoints]

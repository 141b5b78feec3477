"""What makes probabilities of names right as often as they say, and on what it was fitted."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from napari_acll.label._novelty import agreement_of

Floats = NDArray[np.float64]

_LEAST = 1e-6
"""No name is surer, or less sure, than this: logarithms stay finite."""
_LEAST_AGREEMENT = 0.02


class Calibration(BaseModel):
    """What turns logits into probabilities, and what it was fitted on.

    Logits are divided by a temperature and made one-to-one; the probability `p` of a name that
    was given is then shown as `q`, with::

        logit(q) = gain_sure * log(p) - gain_unsure * log(1 - p) + offset
                   + gain_agreement * logit(agreement) + name_offsets[name]

    which can bend either end by itself. The agreement is how sure the surest 60 names of the
    volume are: where they contradict each other, all names are right less often than they say.
    The offsets are those of names that are more or less often right than others as sure.

    References
    ----------
    Guo et al., On calibration of modern neural networks, ICML 2017: temperature. Kull, Silva Filho
    & Flach, Beta calibration, AISTATS 2017, equation 3: the map.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: float = Field(1.0, gt=0, description="Divides the logits of names.")
    none_bias: float = Field(0.0, description="Added to the scaled logit of no name.")
    gain_sure: float = Field(1.0, gt=0, description="Weight of log(p) in the shown logit.")
    gain_unsure: float = Field(1.0, gt=0, description="Weight of -log(1 - p) in it.")
    offset: float = Field(0.0, description="Added to the shown logit.")
    gain_agreement: float = Field(
        0.0, description="Weight of the logit of the volume's agreement in the shown logit."
    )
    name_offsets: tuple[float, ...] = Field(
        (), description="Added to the shown logit of each name of the model; none if empty."
    )
    domain: Literal["simulation", "rig"] = Field(
        "simulation", description="Whether it was fitted on virtual worms or on a real rig."
    )
    rig: str = Field("", description="Which rig, where it was one.")
    fitted_on: str = Field("nothing", description="Volumes that it was fitted on.")
    n_names: int = Field(0, ge=0, description="Names that were right or wrong in the fit.")
    error: float | None = Field(
        None,
        ge=0,
        description="Expected calibration error on volumes left out of the fit, 0 to 1.",
    )

    def shown(
        self,
        probability: NDArray[np.floating],
        agreement: float | Floats = 0.5,
        *,
        neuron: NDArray[np.integer] | None = None,
    ) -> Floats:
        """Return the probabilities that are shown, for names that were given.

        Parameters
        ----------
        probability : ndarray of float
            Of the given names, as they come out of the one-to-one assignment.
        agreement : float or ndarray of float64
            Of the names of their volume, 0 to 1.
        neuron : ndarray of int, optional
            Class numbers of the names, from 1; None for names of which nothing is known.

        Returns
        -------
        ndarray of float64
            Of the same shape.
        """
        p = np.clip(np.asarray(probability, np.float64), _LEAST, 1 - _LEAST)
        logit = self.gain_sure * np.log(p) - self.gain_unsure * np.log1p(-p) + self.offset
        share = np.clip(agreement, _LEAST_AGREEMENT, 1 - _LEAST_AGREEMENT)
        logit = logit + self.gain_agreement * (np.log(share) - np.log1p(-share))
        if neuron is not None and self.name_offsets:
            logit = logit + np.asarray(self.name_offsets)[neuron - 1]
        shown: Floats = 1 / (1 + np.exp(-logit))
        return shown

    def applied(self, chance: Floats, neuron: NDArray[np.integer]) -> Floats:
        """Return a table of probabilities in which the given names have the shown ones.

        What a name gains its rivals lose, in proportion; rows without a name stay.

        Parameters
        ----------
        chance : ndarray of float64, shape (n, k + 1)
            Probabilities of names; column 0 is "none of these".
        neuron : ndarray of int, shape (n,)
            Class numbers of the names that were given, 0 for none.
        """
        named = np.flatnonzero(neuron > 0)
        given = neuron[named]
        before = np.clip(chance[named, given], 0.0, 1.0)
        shown = self.shown(before, agreement_of(chance), neuron=given)
        result = chance.copy()
        result[named] *= ((1 - shown) / np.maximum(1 - before, _LEAST))[:, None]
        result[named, given] = shown
        return result

    def bent(self, slope: float, shift: float) -> "Calibration":
        """Return the calibration after `logit(q) -> slope * logit(q) + shift`.

        Parameters
        ----------
        slope, shift : float
            Of the shown logits; 1 and 0 change nothing.
        """
        return self.model_copy(
            update={
                "gain_sure": self.gain_sure * slope,
                "gain_unsure": self.gain_unsure * slope,
                "offset": self.offset * slope + shift,
                "gain_agreement": self.gain_agreement * slope,
                "name_offsets": tuple(slope * value for value in self.name_offsets),
            }
        )

"""Everything about a model that is measured and not trained: calibration, what is usual."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import LabelSettings
from napari_acll.label import (
    Calibration,
    NoveltyReference,
    NucleusTable,
    PointLabeler,
    PointModel,
    nucleus_table,
    prepare,
    take_fingerprint,
)
from napari_acll.label._fitness import sharpness
from napari_acll.label._novelty import volume_statistics
from napari_acll.naming import assign_names, name_probabilities
from napari_acll.training._calibration import fit_calibration
from napari_acll.training._matching import match_nuclei
from napari_acll.training._point_batches import IGNORED
from napari_acll.training._real_animals import true_classes
from napari_acll.training._volumes import RenderedVolume

_SAME_NUCLEUS_UM = 2.0
_LEAST_NUCLEI = 15
_LEAST_VOLUMES = 20


def calibrate_model(
    model: PointModel,
    volumes: Iterable[RenderedVolume],
    *,
    fitted_on: str,
    on_volume: Callable[[int], None] | None = None,
) -> PointModel:
    """Return the model with a calibration, a reference of what is usual, and a fingerprint.

    Parameters
    ----------
    model : PointModel
        With the weights as they are stored; its card's calibration is replaced.
    volumes : iterable of RenderedVolume
        Of animals that training never saw, on rigs as different as the model is to know.
    fitted_on : str
        What the volumes are, kept in the card.
    on_volume : callable, optional
        Called with the number of volumes that are done.
    """
    looks = _looks(model, volumes, on_volume)
    calibration = fit_calibration(
        [look.logits for look in looks], [look.neuron for look in looks], fitted_on=fitted_on
    )
    card = model.card.model_copy(update={"calibration": calibration, "reference": None})
    calibrated = replace(model, card=card)
    reference = _reference(calibrated, looks)
    update = {"reference": reference, "fingerprint": take_fingerprint(calibrated)}
    return replace(model, card=card.model_copy(update=update))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Look:
    """What a model sees in one volume of which the truth is known."""

    nuclei: NucleusTable
    sharp: float
    logits: NDArray[np.float64]
    neuron: NDArray[np.int64]


def _looks(
    model: PointModel,
    volumes: Iterable[RenderedVolume],
    on_volume: Callable[[int], None] | None,
) -> list[_Look]:
    bare = model.card.model_copy(update={"calibration": Calibration(), "reference": None})
    labeler = PointLabeler(replace(model, card=bare), settings=LabelSettings(device="cpu"))
    looks: list[_Look] = []
    for number, rendered in enumerate(volumes, start=1):
        look = _look(labeler, rendered, model)
        if look is not None:
            looks.append(look)
        if on_volume is not None:
            on_volume(number)
    return looks


def _look(labeler: PointLabeler, rendered: RenderedVolume, model: PointModel) -> _Look | None:
    """Return what is seen in a volume, None where there is too little to name."""
    spec = rendered.volume.spec
    prepared = prepare(
        rendered.volume.marker,
        background=rendered.volume.marker_background,
        voxel_um=spec.voxel_size_um,
        model_um=model.card.voxel_size_um,
    )
    found = labeler.finder.find(prepared)
    if len(found) < _LEAST_NUCLEI:
        return None
    nuclei = nucleus_table(found)
    true_um = rendered.truth.centroid_px * np.asarray(spec.voxel_size_um)
    matched = match_nuclei(found.position_um, true_um, max_distance_um=_SAME_NUCLEUS_UM)
    classes = true_classes(rendered.truth, model.neurons, IGNORED)
    return _Look(
        nuclei=nuclei,
        sharp=sharpness(prepared),
        logits=labeler.namer.logits(nuclei),
        neuron=np.where(matched >= 0, classes[matched], 0),
    )


def _reference(model: PointModel, looks: Sequence[_Look]) -> NoveltyReference | None:
    """Return what is usual, None where too few volumes tell."""
    if len(looks) < _LEAST_VOLUMES:
        return None
    calibration, homologues = model.card.calibration, model.neurons.homologues()
    rows = []
    for look in looks:
        chance = name_probabilities(
            look.logits, temperature=calibration.temperature, none_bias=calibration.none_bias
        )
        rows.append(
            volume_statistics(
                look.nuclei.position_um,
                look.nuclei.radius_um,
                chance=chance,
                neuron=assign_names(chance)[0],
                atlas_um=model.atlas.mean_um,
                homologues=homologues,
                sharpness=look.sharp,
            )
        )
    return NoveltyReference.fitted(np.array(rows))

"""How far the probabilities of a model can be believed, in words."""

from collections.abc import Mapping

SIMULATION_ONLY = "simulation only"
"""What tables say where the calibration knows nothing of any real microscope."""


def calibration_label(model: Mapping[str, object]) -> str:
    """Return on what a model was calibrated, in a few words for a table.

    Parameters
    ----------
    model : mapping
        `Labeler.describe()`, or what a session keeps of it.

    Returns
    -------
    str
        `simulation only`, `rig NAME`, or empty if the model does not say.

    Examples
    --------
    >>> calibration_label({"calibration": {"domain": "rig", "rig": "spinning disk 2"}})
    'rig spinning disk 2'
    """
    calibration = model.get("calibration")
    if not isinstance(calibration, Mapping):
        return ""
    if calibration.get("domain", "simulation") == "rig":
        return f"rig {calibration.get('rig') or 'without a name'}"
    return SIMULATION_ONLY


def calibration_notice(model: Mapping[str, object]) -> str:
    """Return the sentence that screen, session and exports show about a model's probabilities.

    Parameters
    ----------
    model : mapping
        `Labeler.describe()`, or what a session keeps of it.
    """
    label = calibration_label(model)
    if label == SIMULATION_ONLY:
        return (
            "Names are calibrated on simulation only: until the model was calibrated on volumes"
            " of this rig (acll calibrate-names), read probabilities as those of a virtual worm."
        )
    if label:
        return f"Names are calibrated on {label}."
    return "The probabilities of this model were never calibrated."

"""The model card in words, beside the weights."""

from napari_acll.label import PointModelCard

_ROWS = {
    "detection_f1": "detection, F1 at 3 um",
    "right": "named nuclei that got their name",
    "right_in_3": "... or have it among the first three",
    "right_if_confident": "right, of names given at 0.75 or more",
    "share_confident": "named nuclei that got a name at 0.75 or more",
    "unlisted_confident": "other detections that got a name at 0.75 or more",
    "unlisted_wrong": "... one that the simulation does not agree with",
    "least_right": "named nuclei that got their name, worst volume",
    "calibration_error": "expected calibration error",
}


def write_model_card(card: PointModelCard, *, title: str) -> str:
    """Return a model card in Markdown.

    Parameters
    ----------
    card : PointModelCard
        Card of the weights file.
    title : str
        Name of the model.
    """
    parts = [f"# Model `{title}`", card.note, _made(card), _scored(card), _limits()]
    return "\n\n".join(part for part in parts if part) + "\n"


def _made(card: PointModelCard) -> str:
    voxel = " x ".join(f"{size:g}" for size in card.voxel_size_um)
    settings = card.training.get("settings", {})
    detector, identifier = settings.get("detector", {}), settings.get("identifier", {})
    how = card.training.get("made", "")
    return (
        f"Knows {len(card.names)} neurons, at voxels of {voxel} um. Trained on simulated animals"
        f" with seed {settings.get('seed', '?')}: the network that finds nuclei for"
        f" {detector.get('n_steps', '?')} steps of {detector.get('batch_size', '?')} crops, the"
        f" network that names them for {identifier.get('n_steps', '?')} steps of"
        f" {identifier.get('batch_size', '?')} animals and {identifier.get('n_final_steps', '?')}"
        f" more on what the first one finds in {identifier.get('n_volumes', '?')} rendered"
        f" volumes. Calibrated on {card.calibration.fitted_on} (temperature"
        f" {card.calibration.temperature:.2f}).{f' Trained {how}.' if how else ''}"
    )


def _scored(card: PointModelCard) -> str:
    tables = [_table(name, scores) for name, scores in card.scores.items()]
    return "\n\n".join(tables)


def _table(name: str, scores: dict[str, float]) -> str:
    rows = [f"| {label} | {scores[key]:.1%} |" for key, label in _ROWS.items() if key in scores]
    n = scores.get("n_volumes", 0)
    head = f"Scores on {n:.0f} volumes of {name} animals that training never saw, end to end:"
    return "\n".join([head, "", "| measure | value |", "|---|---|", *rows])


def _limits() -> str:
    return (
        "Of a real animal only the places of its named nuclei are real; its image is rendered, and"
        " its other nuclei are drawn from the anatomy, so a name given to one of them is not known"
        " to be wrong.\n\n"
        "Limits: images, brightness and motion of training are simulated, and so is"
        " the calibration: until it was calibrated on volumes of your rig, read the probabilities"
        " as those of a simulated worm. Only heads of adult hermaphrodites, lying on their side."
    )

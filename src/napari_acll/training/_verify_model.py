"""Whether a model file is whole and answers as it did when it was saved."""

from dataclasses import dataclass
from pathlib import Path

from napari_acll.label import PointModel, fingerprint_difference, take_fingerprint
from napari_acll.label._point_card import WEIGHTS_KEY, read_header


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCheck:
    """What came of checking a model file.

    Parameters
    ----------
    is_good : bool
        Whether nothing was wrong.
    findings : tuple of str
        What was checked and found, one sentence each.
    """

    is_good: bool
    findings: tuple[str, ...]


def verify_model(path: Path) -> ModelCheck:
    """Return whether a model file is whole and answers as it did when it was saved.

    The hash of the weights is compared with that in the header, the file is loaded without running
    anything in it, and the model labels a made-up volume of its own average animal, which must
    give the answer that was kept, but for rounding.

    Parameters
    ----------
    path : Path
        A point model.

    Raises
    ------
    ModelError
        If the file is missing or damaged, or the hash differs.
    """
    model = PointModel.load(path)
    has_hash = bool(read_header(path).get(WEIGHTS_KEY))
    findings = ["The weights are those that were saved." if has_hash else "No hash was kept."]
    kept, taken = model.card.fingerprint, take_fingerprint(model)
    if kept is None:
        findings.append(f"No answer was kept to compare with; now {taken.n_named} are named.")
        return ModelCheck(is_good=True, findings=tuple(findings))
    differs = fingerprint_difference(kept, taken)
    findings.append(
        f"The answer on the made-up volume differs: {differs}."
        if differs
        else f"The made-up volume gets the {taken.n_named} names that it got when it was saved."
    )
    return ModelCheck(is_good=not differs, findings=tuple(findings))

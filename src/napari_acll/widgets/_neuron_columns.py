"""What lists of neurons show of each neuron."""

from dataclasses import dataclass

from napari_acll.quality import FEWEST_PAIRS, REFERENCE_VOLUMES, Verdict


@dataclass(frozen=True, slots=True)
class NeuronColumn:
    """One column of a list of neurons.

    Parameters
    ----------
    key : str
        Name of its values; those without values stay empty.
    title : str
        Its header.
    tip : str
        What it means.
    width_px : int
        Smallest width.
    form : str
        How a value is written.
    absent : str
        What is written where there is no value.
    words : tuple of str
        What is written instead of the values 0, 1 and so on.
    """

    key: str
    title: str
    tip: str
    width_px: int
    form: str = "{}"
    absent: str = ""
    words: tuple[str, ...] = ()


CORRELATION_TIP = (
    "Correlation of the ratio with that of the reference (F), -1 to 1, over the"
    f" last {REFERENCE_VOLUMES} volumes; empty without a reference, or with fewer than"
    f" {FEWEST_PAIRS} volumes in common"
)
VERDICTS = tuple(verdict.words for verdict in Verdict)
NAME, NOW, SEEN, JUMP, SIGNAL_TO_NOISE, CORRELATION, FORECAST, VERDICT, PINNED, MUTED = (
    NeuronColumn(
        "name",
        "Neuron",
        "Neurons of the model; select some to see their traces. AVAL? may be AVAR",
        64,
    ),
    NeuronColumn(
        "now", "Now", "Confidence of the name in the newest volume", 58, "{:.2f}", absent="-"
    ),
    NeuronColumn(
        "coverage",
        "Seen",
        "Coverage: part of the volumes so far in which the neuron was found",
        46,
        "{:.0%}",
    ),
    NeuronColumn(
        "jump_um",
        "Jump",
        "Stability: how far it moves between two volumes beyond the motion of all neurons, in um,"
        " over the last 2 minutes. Compare it with the others: a name that changes"
        " cells jumps more",
        46,
        "{:.1f}",
    ),
    NeuronColumn(
        "signal_to_noise",
        "S/N",
        "Signal to noise: the slow changes of the ratio over its frame-to-frame noise, over the"
        " last 2 minutes; below 1 there is hardly a signal",
        42,
        "{:.1f}",
    ),
    NeuronColumn("correlation", "Corr.", CORRELATION_TIP, 46, "{:+.2f}"),
    NeuronColumn(
        "forecast",
        "Forecast",
        "Accuracy for the rest of the recording: the part of the neuron's samples that is expected"
        " to be truly of it, from 30 labeled volumes on; fitted on simulation only. The tip of a"
        " cell says more",
        66,
        "{:.0%}",
    ),
    NeuronColumn(
        "verdict",
        "Verdict",
        "What the forecast comes to. Usable: at least 90 % of its samples right, a value in half"
        " of the volumes, and little noise. Do not use: more wrong than right, or hardly"
        " ever there",
        70,
        words=VERDICTS,
    ),
    NeuronColumn("is_pinned", "Pin", "Pinned: you vouch for the name (P)", 34),
    NeuronColumn("is_muted", "Mute", "Muted: the name is not given any more (M)", 38),
)

FEW_COLUMNS = (NAME, NOW, SEEN)
"""Those beside the traces."""
ALL_COLUMNS = (
    NAME,
    NOW,
    SEEN,
    JUMP,
    SIGNAL_TO_NOISE,
    CORRELATION,
    FORECAST,
    VERDICT,
    PINNED,
    MUTED,
)
CHECKED = (PINNED, MUTED)
"""Those with a box to check."""

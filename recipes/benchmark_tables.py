"""Tables and figures of the benchmark; errors are standard errors over animals."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

Result = dict[str, Any]
"""As `evaluate_default.py` writes it."""


def markdown(result: Result) -> str:
    """Return the scores as tables of Markdown."""
    tables = [
        _summary(result),
        _names(result),
        _others(result),
        _detection(result),
        _errors(result),
        _animals(result),
        _curves(result),
    ]
    label = result["label_s"]
    tables.append(f"Label time {label['median']} s (median), {label['best']} s (best).")
    return "\n\n".join(table for table in tables if table) + "\n"


def _summary(result: Result) -> str:
    """Return a line per set: the first model in full, the share right of every other method."""
    methods = list(dict.fromkeys(method for _, method, _ in _rows(result)))
    header = (
        "set",
        "volumes",
        "F1",
        "right",
        "first three",
        "at 0.75: right / share",
        "calibration error",
        "nameless at 0.75",
        "volumes refused",
        *methods[1:],
    )
    return _table(header, (_line(key, by, methods) for key, by in result["sets"].items()))


def _line(key: str, by_method: Result, methods: Sequence[str]) -> list[str]:
    first = by_method[methods[0]]
    confident = (_percent(first[name]) for name in ("right_if_confident", "share_confident"))
    return [
        key,
        str(first["n_volumes"]),
        _percent(first["detection_f1"]),
        _percent(first["right"]),
        _percent(first["right_in_3"]),
        " / ".join(confident),
        _percent(first["calibration_error_listed"]),
        _percent(first["nameless_confident"]),
        _percent(first["refused"]),
        *(_percent(by_method[method]["right"]) for method in methods[1:]),
    ]


def _names(result: Result) -> str:
    header = (
        "set",
        "animals / volumes",
        "method",
        "right",
        "first three",
        "right at 0.75",
        "share at 0.75",
        "calibration error",
        "least right",
    )
    wanted = (
        "right",
        "right_in_3",
        "right_if_confident",
        "share_confident",
        "calibration_error_listed",
        "least_right",
    )
    return _table(
        header,
        (
            [key, _numbers(scores), method, *(_percent(scores[name]) for name in wanted)]
            for key, method, scores in _rows(result)
        ),
    )


def _others(result: Result) -> str:
    """Return what happens to nuclei that are not listed; only what was filled in is known."""
    header = (
        "set",
        "method",
        "nameless at 0.75",
        "unlisted at 0.75",
        "of these right",
        "rows without a name at 0.75",
        "clutter at 0.75",
        "calibration error of all names",
        "names at 0.75 per volume",
        "duplicates",
    )
    wanted = (
        "nameless_confident",
        "unlisted_confident",
        "unlisted_right_if_confident",
        "unknown_confident",
        "clutter_confident",
        "calibration_error_all",
    )
    return _table(
        header,
        (
            [
                key,
                method,
                *(_percent(scores[name]) for name in wanted),
                f"{scores['confident_names_per_volume']['value']:.0f}",
                f"{scores['duplicates_per_volume']['value']:.2f}",
            ]
            for key, method, scores in _rows(result)
        ),
    )


def _detection(result: Result) -> str:
    header = (
        "set",
        "method",
        "F1 at 3 um",
        "recall",
        "precision",
        "recall of listed",
        "center um",
    )
    wanted = ("detection_f1", "detection_recall", "detection_precision", "listed_recall")
    return _table(
        header,
        (
            [
                key,
                method,
                *(_percent(scores[name]) for name in wanted),
                f"{scores['center_error_um']['value']:.2f}",
            ]
            for key, method, scores in _rows(result)
            if not method.startswith(("atlas", "oracle"))
        ),
    )


def _errors(result: Result) -> str:
    """Return what became of the listed nuclei without their name."""
    rows = list(_rows(result))
    if not rows:
        return ""
    return _table(
        ("set", "method", *rows[0][2]["errors"]),
        (
            [key, method, *(f"{100 * value:.1f}" for value in scores["errors"].values())]
            for key, method, scores in rows
        ),
    )


def _animals(result: Result) -> str:
    """Return a line per animal for the first model."""
    header = ("set", "animal", "listed", "found", "right", "first three", "at 0.75: right / share")
    lines = []
    for key, methods in result["sets"].items():
        if not key.endswith("renderer"):
            continue
        for animal, line in next(iter(methods.values()))["animals"].items():
            value = {name: _percent({"value": part}) for name, part in line.items()}
            confident = f"{value['right_if_confident']} / {value['share_confident']}"
            parts = (value["listed_recall"], value["right"], value["right_in_3"], confident)
            lines.append([key, animal, f"{line['n_listed_per_volume']:.0f}", *parts])
    return _table(header, lines) if lines else ""


def _curves(result: Result) -> str:
    header = (
        "renderer",
        "disturbance",
        "strength",
        "F1",
        "right",
        "right at 0.75",
        "share",
        "refused",
    )
    wanted = ("detection_f1", "right", "right_if_confident", "share_confident", "refused")
    lines = [
        [renderer, what, f"{level['strength']:g}", *(_percent(level[name]) for name in wanted)]
        for renderer, curves in result.get("robustness", {}).items()
        for what, levels in curves.items()
        for level in levels
    ]
    return _table(header, lines) if lines else ""


def _rows(result: Result) -> Iterable[tuple[str, str, Result]]:
    for key, methods in result["sets"].items():
        for method, scores in methods.items():
            yield key, method, scores


def _numbers(scores: Result) -> str:
    return f"{scores['n_animals']} / {scores['n_volumes']}"


def _percent(score: dict[str, float]) -> str:
    value, error = score["value"], score.get("error", 0.0)
    if math.isnan(value):
        return "-"
    return f"{100 * value:.1f}" + (f" ± {100 * error:.1f}" if error else "")


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def write_figures(result: Result, folder: Path) -> None:
    """Write reliability diagram, robustness curves and learning curve as PNG, what there is."""
    import matplotlib as mpl

    mpl.use("Agg")
    folder.mkdir(parents=True, exist_ok=True)
    _draw_reliability(result, folder / "reliability.png")
    if "robustness" in result:
        _draw_robustness(result["robustness"], folder / "robustness.png")
    if result.get("n_animals"):
        _draw_learning_curve(result, folder / "learning_curve.png")


def _draw_reliability(result: Result, path: Path) -> None:
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(4.6, 4.2), layout="constrained")
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    for key, methods in result["sets"].items():
        if key.endswith("fillers"):
            continue
        bins = next(iter(methods.values()))["reliability"]
        probability = [bin_["mean_probability"] for bin_ in bins]
        right = [bin_["share_right"] for bin_ in bins]
        axes.plot(probability, right, marker="o", markersize=3, label=key)
    axes.set(xlabel="probability of the name", ylabel="share that is right (listed nuclei)")
    axes.legend(frameon=False, fontsize=7)
    figure.savefig(path, dpi=120)
    plt.close(figure)


_LINES = (
    ("right", "right", "C0"),
    ("share_confident", "share at 0.75", "C1"),
    ("right_if_confident", "right at 0.75", "C2"),
)
_AXES = {
    "light": "light",
    "motion": "speed of the animal",
    "shear": "shear",
    "n_missing_slices": "missing slices",
    "absent": "share of nuclei absent",
    "brightness_by_name": "brightness follows the name",
    "blur": "width of the blur",
    "tissue": "light of the tissue",
    "nucleus_size": "size of the nuclei",
}


def _draw_robustness(curves: Result, path: Path) -> None:
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(3, 3, figsize=(8.5, 7), sharey=True, layout="constrained")
    for panel, (what, label) in zip(axes.ravel(), _AXES.items(), strict=True):
        for renderer, style in (("own", "-"), ("other", "--")):
            levels = curves.get(renderer, {}).get(what, [])
            x = [level["strength"] for level in levels]
            for name, _, color in _LINES:
                y = [100 * level[name]["value"] for level in levels]
                panel.plot(x, y, style, color=color, marker="o", markersize=3)
        panel.set(xlabel=label, ylim=(0, 100))
    for _, label, color in _LINES:
        axes[0, 0].plot([], [], color=color, label=label)
    axes[0, 0].plot([], [], "--", color="0.5", label="other renderer")
    axes[0, 0].legend(frameon=False, fontsize=7)
    for row in axes:
        row[0].set_ylabel("%")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _draw_learning_curve(result: Result, path: Path) -> None:
    """Draw what models got right that learned from different numbers of animals."""
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(4.6, 3.6), layout="constrained")
    for key, methods in result["sets"].items():
        if not key.endswith("renderer"):
            continue
        # the models come first, in the order of the command line
        scores = list(methods.values())[: len(result["n_animals"])]
        y = [100 * score["right"]["value"] for score in scores]
        error = [100 * score["right"]["error"] for score in scores]
        axes.errorbar(result["n_animals"], y, error, marker="o", markersize=3, label=key)
    axes.set(xlabel="real animals that the model learned from", ylabel="names right, %")
    axes.legend(frameon=False, fontsize=7)
    figure.savefig(path, dpi=120)
    plt.close(figure)

"""Tables and figures of the benchmark."""

import math
from pathlib import Path

COLUMNS = (
    "set",
    "method",
    "animals / volumes",
    "F1 (recall / precision)",
    "center um",
    "right",
    "first three",
    "at 0.75: right / share",
    "calibration error, listed / all",
    "nameless, unlisted at 0.75",
    "clutter at 0.75",
    "least right",
)


def markdown(result: dict) -> str:
    """Return the scores as tables of Markdown; errors are standard errors over animals."""
    lines = [_row(COLUMNS), _row(["---"] * len(COLUMNS))]
    for key, methods in result["sets"].items():
        lines += [_row(_scores(key, method, scores)) for method, scores in methods.items()]
    parts = [
        "\n".join(lines),
        _errors_table(result),
        _animals_table(result),
        _robustness_table(result),
        f"Label time {result['label_s']['median']} s (median), {result['label_s']['best']} s"
        " (best).",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _scores(key: str, method: str, scores: dict) -> list[str]:
    def share(name: str) -> str:
        return _percent(scores[name])

    return [
        key,
        method,
        f"{scores['n_animals']} / {scores['n_volumes']}",
        f"{share('detection_f1')} ({share('detection_recall')} / {share('detection_precision')})",
        f"{scores['center_error_um']['value']:.2f}",
        share("right"),
        share("right_in_3"),
        f"{share('right_if_confident')} / {share('share_confident')}",
        f"{share('calibration_error_listed')} / {share('calibration_error_all')}",
        f"{share('nameless_confident')}, {share('unlisted_confident')}",
        share("clutter_confident"),
        share("least_right"),
    ]


def _percent(score: dict) -> str:
    value = score["value"]
    if math.isnan(value):
        return "-"
    error = score.get("error")
    return f"{100 * value:.1f}" + (f" ± {100 * error:.1f}" if error else "")


def _errors_table(result: dict) -> str:
    """Return what became of the listed nuclei without their name."""
    lines = []
    for key, methods in result["sets"].items():
        for method, scores in methods.items():
            if not lines:
                header = ["set", "method", *scores["errors"]]
                lines = [_row(header), _row(["---"] * len(header))]
            shares = [f"{100 * value:.1f}" for value in scores["errors"].values()]
            lines.append(_row([key, method, *shares]))
    return "\n".join(lines)


def _animals_table(result: dict) -> str:
    """Return a line per animal for the first model."""
    header = ["set", "animal", "listed", "found", "right", "first three", "at 0.75: right / share"]
    lines = [_row(header), _row(["---"] * len(header))]
    for key, methods in result["sets"].items():
        if not key.endswith("renderer"):
            continue
        scores = next(iter(methods.values()))
        for animal, line in scores["animals"].items():
            percent = {name: f"{100 * value:.0f}" for name, value in line.items()}
            confident = f"{percent['right_if_confident']} / {percent['share_confident']}"
            values = (percent["listed_recall"], percent["right"], percent["right_in_3"], confident)
            lines.append(_row([key, animal, f"{line['n_listed_per_volume']:.0f}", *values]))
    return "\n".join(lines) if len(lines) > 2 else ""


def _robustness_table(result: dict) -> str:
    header = ["renderer", "disturbance", "strength", "F1", "right", "at 0.75: right / share"]
    lines = [_row(header), _row(["---"] * len(header))]
    for renderer, curves in result.get("robustness", {}).items():
        for what, levels in curves.items():
            for level in levels:
                confident, share = level["right_if_confident"], level["share_confident"]
                lines.append(
                    _row(
                        [
                            renderer,
                            what,
                            f"{level['strength']:g}",
                            _percent(level["detection_f1"]),
                            _percent(level["right"]),
                            f"{_percent(confident)} / {_percent(share)}",
                        ]
                    )
                )
    return "\n".join(lines) if len(lines) > 2 else ""


def _row(cells: tuple[str, ...] | list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def write_figures(result: dict, folder: Path) -> None:
    """Write reliability diagrams and robustness curves as PNG."""
    import matplotlib as mpl

    mpl.use("Agg")
    folder.mkdir(parents=True, exist_ok=True)
    _draw_reliability(result, folder / "reliability.png")
    if "robustness" in result:
        _draw_robustness(result["robustness"], folder / "robustness.png")


def _draw_reliability(result: dict, path: Path) -> None:
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(4.5, 4.2), layout="constrained")
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    for key, methods in result["sets"].items():
        if key.endswith("fillers"):
            continue
        bins = next(iter(methods.values()))["reliability"]
        axes.plot([b[0] for b in bins], [b[1] for b in bins], marker="o", markersize=3, label=key)
    axes.set(xlabel="probability of the name", ylabel="share of these that is right")
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _draw_robustness(curves: dict, path: Path) -> None:
    from matplotlib import pyplot as plt

    kinds = list(dict.fromkeys(what for own in curves.values() for what in own))
    figure, axes = plt.subplots(
        2, (len(kinds) + 1) // 2, figsize=(9, 5), sharey=True, layout="constrained"
    )
    for panel, what in zip(axes.ravel(), kinds, strict=False):
        for renderer, line in (("own", "-"), ("other", "--")):
            levels = curves.get(renderer, {}).get(what, [])
            x = [level["strength"] for level in levels]
            for name, color in (
                ("right", "C0"),
                ("share_confident", "C1"),
                ("right_if_confident", "C2"),
            ):
                y = [100 * level[name]["value"] for level in levels]
                panel.plot(x, y, line, color=color, marker="o", markersize=3)
        panel.set(xlabel=what.replace("n_", "").replace("_", " "), ylim=(0, 100))
    for name, color in (("right", "C0"), ("share at 0.75", "C1"), ("right at 0.75", "C2")):
        axes[0, 0].plot([], [], color=color, label=name)
    axes[0, 0].plot([], [], "--", color="0.5", label="other renderer")
    axes[0, 0].legend(frameon=False, fontsize=7)
    axes[0, 0].set_ylabel("%")
    figure.savefig(path, dpi=120)
    plt.close(figure)

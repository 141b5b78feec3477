import json
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("skimage", reason="the second renderer draws outlines with scikit-image")

import evaluate_default
from benchmark_animals import FLAVORS
from benchmark_cases import Case
from benchmark_scores import MEASURES
from benchmark_volumes import Bench

from napari_acll.core import Detections, LabeledVolume, Volume
from napari_acll.label import load_labeler


class Refuser:
    """A labeler that finds every volume unfit."""

    def __init__(self) -> None:
        self.neurons = load_labeler(evaluate_default.LabelSettings()).neurons

    def label(self, volumes: list[Volume]) -> list[LabeledVolume]:
        return [
            LabeledVolume(
                index=0,
                spec=volume.spec,
                instances=np.zeros(volume.spec.shape, np.uint16),
                detections=Detections.none(),
                is_labelable=False,
                why_not="Never.",
            )
            for volume in volumes
        ]


def test_the_command_scores_without_real_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, tables = tmp_path / "scores.json", tmp_path / "scores.md"
    arguments = ["--n", "1", "--cache", str(tmp_path / "cache"), "--out", str(out)]
    monkeypatch.setattr(
        sys, "argv", ["evaluate_default.py", *arguments, "--markdown", str(tables)]
    )
    evaluate_default.main()
    result = json.loads(out.read_text(encoding="utf-8"))
    scores = result["sets"]["simulated"]["default"]
    assert set(MEASURES) <= set(scores)
    # far more than by chance, and the oracle cannot be worse than the likeliest posture by much
    assert scores["right"]["value"] > 0.3
    methods = result["sets"]["simulated"]
    assert methods["oracle"]["right"]["value"] > methods["atlas"]["right"]["value"] - 0.1
    assert "| simulated |" in tables.read_text(encoding="utf-8")


def test_a_refused_volume_is_counted_and_nothing_in_it_is_right() -> None:
    case = Case(group="simulated", renderer="own", animal="0", flavor="simulated")
    bench = Bench(None, None)
    sets, _ = evaluate_default.score_cases({"never": Refuser()}, bench, [case], has_baselines=True)
    report = evaluate_default.report_of(sets, {"never": Refuser()}, bench.anatomy)
    scores = report["simulated"]["never"]
    assert scores["refused"]["value"] == 1
    assert scores["right"]["value"] == 0
    assert scores["errors"]["missed"] == 1


def test_a_volume_counts_with_its_renderer_and_with_its_fillers() -> None:
    case = Case(group="SF", renderer="other", animal="SF/1", flavor=FLAVORS[0])
    assert evaluate_default.sets_of(case) == [
        "SF, other renderer",
        "SF, other renderer, unlisted fillers",
    ]

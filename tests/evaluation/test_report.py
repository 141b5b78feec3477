"""The page and the numbers that are written, and the command that writes them."""

import json
import math
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from tests.evaluation.made_up import HERE, PLACES, all_right, given, truth
from tests.evaluation.test_reading import SAID, TRUE, session, write

from napari_acll.cli import run
from napari_acll.core import SessionError
from napari_acll.evaluation import evaluate_session, evaluate_sessions, write_report

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "evaluate.md"
VOID = {"meta", "br", "hr", "img", "link", "input"}


class Page(HTMLParser):
    """Text and elements of a page; fails on tags that do not close."""

    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.text, self.links = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.links += [value for key, value in attrs if key in ("src", "href", "xlink:href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append(tag)
        self.links += [value for key, value in attrs if key in ("src", "href", "xlink:href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def mixed():
    """Two animals with mistakes of each kind; one has a name that is no HTML."""
    good = all_right(3, animal="<b>worm</b> & co")
    said = [("AVAR", 0.9, PLACES["AVAL"]), ("RIML", 0.8, PLACES["RIML"]), ("ALA", 0.8, HERE)]
    rows = [(v, name, place) for v in range(3) for name, place in PLACES.items()]
    bad = given(said, said, said, animal="bad one"), truth([*rows, (0, "", (5, 20, 20))])
    return evaluate_sessions(*zip(good, bad, strict=True))


def test_the_page_stands_alone_and_says_what_was_found(tmp_path):
    evaluation = mixed()
    path = write_report(evaluation, tmp_path / "new" / "report")
    text = path.read_text("utf-8")
    page = Page(text)
    words = " ".join(page.text)
    assert page.seen.count("svg") == 5
    assert all(link.startswith("#") for link in page.links)
    assert not re.search(r"<script|@import|url\((?!#)", text)
    assert "<b>worm</b> & co" in words  # as text, not as an element
    assert "b" not in page.seen
    # 15 listed names of the one and 3 of 6 of the other
    assert f"{100 * 18 / 21:.1f} % of the confident names" in words
    assert "Worst animal: bad one, 50.0 %" in words
    for heading in ("Animals", "Over time", "Confusions", "Neurons", "All measures"):
        assert heading in words
    assert "$" not in words


def test_a_neuron_may_be_called_anything(tmp_path):
    evaluation = evaluate_session(*all_right())
    odd = tuple(replace(neuron, name="<i>A&B</i>") for neuron in evaluation.neurons)
    page = Page(write_report(replace(evaluation, neurons=odd), tmp_path).read_text("utf-8"))
    assert "<i>A&B</i>" in " ".join(page.text)
    assert "i" not in page.seen


def test_the_numbers_are_json_and_those_of_the_evaluation(tmp_path):
    evaluation = mixed()
    write_report(evaluation, tmp_path)
    text = (tmp_path / "evaluation.json").read_text("utf-8")
    content = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    for name, measure in evaluation.measures.items():
        stored = content["measures"][name]["value"]
        assert stored == (None if math.isnan(measure.value) else measure.value), name
        assert name in content["about"]
    assert [animal["name"] for animal in content["animals"]] == ["bad one", "<b>worm</b> & co"]
    assert content["confusions"][0]["given"] == "AVAR"


def test_a_report_is_replaced_only_if_asked_for(tmp_path):
    evaluation = evaluate_session(*all_right())
    write_report(evaluation, tmp_path)
    with pytest.raises(SessionError, match="already"):
        write_report(evaluation, tmp_path)
    write_report(evaluation, tmp_path, overwrite=True)
    with pytest.raises(SessionError, match="is a file"):
        write_report(evaluation, write(tmp_path / "file", ""))


def nothing_found():
    said, known = all_right()
    empty = replace(
        said,
        volume=said.volume[:0],
        position_um=said.position_um[:0],
        neuron=said.neuron[:0],
        probability=said.probability[:0],
        candidate=said.candidate[:0],
        ratio=said.ratio[:0],
    )
    return empty, known


def long_recording():
    n = 200
    said, known = all_right(n)
    return replace(said, neuron=np.where(said.volume % 7 == 0, 0, said.neuron)), known


@pytest.mark.parametrize("case", [nothing_found, long_recording, all_right])
def test_a_page_can_be_made_of_anything(case, tmp_path):
    Page(write_report(evaluate_session(*case()), tmp_path).read_text("utf-8"))


def test_nothing_found_is_all_missed():
    evaluation = evaluate_session(*nothing_found())
    assert evaluation.value("listed_missed") == 1
    assert evaluation.value("right") == 0
    assert math.isnan(evaluation.value("right_if_confident"))


def test_many_sessions_and_their_truths_make_one_report(tmp_path, capsys):
    for name in ("a", "b"):
        session(tmp_path / f"{name}.acll", *SAID)
        write(tmp_path / f"{name}.csv", TRUE)
    out = tmp_path / "report"
    sessions = [str(tmp_path / f"{name}.acll") for name in ("a", "b")]
    truths = [str(tmp_path / f"{name}.csv") for name in ("a", "b")]
    command = ["evaluate", *sessions, "--truth", *truths, "--out", str(out)]
    assert run(command) == 0
    assert "Over 2 animals and 4 volumes, 50.0 % of the confident" in capsys.readouterr().out
    content = json.loads((out / "evaluation.json").read_text("utf-8"))
    assert sorted(animal["name"] for animal in content["animals"]) == ["a", "b"]
    assert run(command) == 6
    assert "already" in capsys.readouterr().err
    repeated = [word for path in truths for word in ("--truth", path)]
    assert run(["evaluate", *sessions, *repeated, "--out", str(out), "--overwrite"]) == 0


def test_what_the_guide_says_works(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b", "c"):
        session(tmp_path / f"{name}.acll", *SAID)
        write(tmp_path / f"{name}.csv", TRUE)
    text = GUIDE.read_text("utf-8")
    (line,) = [line for line in text.splitlines() if line.startswith("acll evaluate a.acll")]
    assert run(shlex.split(line)[1:]) == 0
    shutil.rmtree("report")
    (block,) = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    exec(compile(block, str(GUIDE), "exec"), {})  # noqa: S102
    assert (tmp_path / "report" / "report.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["worm.acll"], 2, "--truth"),
        (["worm.acll", "--truth", "nothing.csv"], 3, "no truth"),
        (["worm.acll", "--truth", "late.csv"], 3, "none in common"),
        (["worm.acll", "--truth", "far.csv"], 3, "lies within"),
        (["worm.acll", "--truth", "short.csv"], 3, "lacks the columns"),
        (["worm.acll", "--truth", "other.csv"], 4, "none of the names"),
        (["worm.acll", "worm.acll", "--truth", "true.csv"], 5, "as many truths"),
        (["worm.acll", "--truth", "true.csv", "--confident", "75"], 5, "confident"),
        (["worm.acll", "--truth", "true.csv", "--masks", "nowhere"], 3, "no folder"),
        (["names.csv", "--truth", "true.csv"], 6, "--voxel-size-um"),
        (["names.csv", "--truth", "true.csv", "--voxel-size-um", "1,2"], 5, "three lengths"),
        (["gone.acll", "--truth", "true.csv"], 6, "no session"),
    ],
)
def test_what_does_not_fit_is_one_sentence_and_its_code(
    tmp_path, monkeypatch, capsys, arguments, code, message
):
    monkeypatch.chdir(tmp_path)
    session(tmp_path / "worm.acll", *SAID)
    write(tmp_path / "true.csv", TRUE)
    write(tmp_path / "late.csv", "volume,name,z_px,y_px,x_px\n9,AVAL,5,10,10\n")
    write(tmp_path / "far.csv", "volume,name,z_px,y_px,x_px\n0,AVAL,5,1000,10\n")
    write(tmp_path / "short.csv", "volume,name,z_px\n0,AVAL,5\n")
    write(tmp_path / "other.csv", "volume,name,z_px,y_px,x_px\n0,M1,5,10,10\n")
    write(tmp_path / "names.csv", "volume,name,probability,z_px,y_px,x_px\n0,AVAL,.9,5,10,10\n")
    assert run(["evaluate", *arguments]) == code
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_evaluating_needs_neither_torch_nor_a_screen():
    code = "import napari_acll.evaluation, sys; print('\\n'.join(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert not set(result.stdout.split()) & {"torch", "napari", "qtpy", "matplotlib"}

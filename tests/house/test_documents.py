"""What the README, the tutorial and the examples say works, works."""

import re
import runpy
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from napari_acll import __version__
from napari_acll.cli import run
from napari_acll.cli._app import app
from napari_acll.core import AcllSettings, SourceSettings
from napari_acll.preprocess import Preprocessor
from napari_acll.simulate import SimulatedSource, write_nd2
from napari_acll.testing import LabelerContract

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
DOCUMENTS = [ROOT / "README.md", ROOT / "docs" / "tutorials" / "first-session.md"]


def _blocks(document: Path, language: str) -> list[str]:
    text = document.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def _acll_lines(document: Path) -> list[str]:
    lines = [line for block in _blocks(document, "sh") for line in block.splitlines()]
    return [line for line in lines if line.startswith("acll ")]


@pytest.fixture(scope="module")
def worm(tmp_path_factory) -> bytes:
    source = SimulatedSource.from_recording("simulated:volumes=2,geometry=small", SourceSettings())
    return write_nd2(source, tmp_path_factory.mktemp("worm") / "worm.nd2", 2).read_bytes()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_and_every_line_of_python_in_a_document_works(
    document, worm, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    Path("worm.nd2").write_bytes(worm)
    lines = [line for line in _acll_lines(document) if not line.startswith("acll simulate")]
    assert lines
    for line in lines:
        assert run(shlex.split(line, comments=True)[1:]) == 0, capsys.readouterr().err
    for block in _blocks(document, "python"):
        exec(compile(block, str(document), "exec"), {})  # noqa: S102


def _commands(text: str) -> list[str]:
    """Every `acll ...` of a document, in a line of text or in a block."""
    blocks = re.findall(r"^```(?:sh|text)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return re.findall(r"`(acll [^`\n]+)`", text) + [x for x in lines if x.startswith("acll ")]


def unknown_words(line: str) -> list[str]:
    """Command and options of a line that `acll` does not know."""
    words = shlex.split(line, comments=True)[1:]
    command: Any = typer.main.get_command(app)
    context = typer.Context(command)
    while words and hasattr(command, "get_command") and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        if found is None:
            return words[:1]
        command, words = found, words[1:]
    known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
    known |= set(command.get_help_option_names(context))
    return [word for word in words if word[:2] == "--" and word.partition("=")[0] not in known]


def test_every_command_and_option_that_a_document_names_exists():
    wrong, n_seen = {}, 0
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        if path.name == "cli.md":  # made from the commands themselves
            continue
        for line in _commands(path.read_text(encoding="utf-8")):
            n_seen += 1
            if unknown := unknown_words(line):
                wrong[f"{path.name}: {line}"] = unknown
    assert n_seen > 100
    assert wrong == {}
    assert unknown_words("acll rum worm.nd2") == ["rum"]
    assert unknown_words("acll run worm.nd2 --live --ouch=3") == ["--ouch=3"]
    assert unknown_words("acll models verify x --help") == []


def test_a_document_says_how_to_simulate(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (line,) = [line for line in _acll_lines(DOCUMENTS[1]) if line.startswith("acll simulate")]
    words = shlex.split(line.replace("--volumes 20", "--volumes 1"))
    assert run(words[1:]) == 0
    assert Path("worm.nd2").is_file()


def test_the_two_commands_stand_at_the_top_of_the_readme():
    lines = [line for line in DOCUMENTS[0].read_text("utf-8").splitlines() if line.strip()]
    assert lines[2].startswith("python dev.py demo")
    assert lines[3].startswith("python dev.py test")


def test_every_picture_and_page_that_the_readme_shows_is_there():
    targets = re.findall(r"\]\(([^)#]+)\)", DOCUMENTS[0].read_text("utf-8"))
    assert targets
    for target in targets:
        assert "://" in target or (ROOT / target).exists(), target


def test_a_session_can_be_run_and_read_from_python(tmp_path, capsys):
    script = runpy.run_path(str(EXAMPLES / "run_session.py"))
    script["main"]("simulated:volumes=10", str(tmp_path / "example.acll"))
    runpy.run_path(str(EXAMPLES / "read_session.py"))["main"](str(tmp_path / "example.acll"))
    shown = capsys.readouterr().out
    assert "volume 2 at" in shown
    assert "mean ratio" in shown


def test_what_a_session_needs_can_be_looked_at_from_python(tmp_path, capsys):
    main = runpy.run_path(str(EXAMPLES / "preflight.py"))["main"]
    assert main("simulated:volumes=3,geometry=small", str(tmp_path / "worm.acll"))
    assert "Recording: 3 volumes of 24 x 70 x 108 voxels" in capsys.readouterr().out
    assert not main(str(tmp_path / "gone.nd2"), str(tmp_path / "worm.acll"))


def test_a_session_can_be_run_with_a_labeler_of_ones_own(tmp_path, capsys):
    runpy.run_path(str(EXAMPLES / "own_labeler.py"))["main"](str(tmp_path / "brightest.acll"))
    assert "6 volumes in" in capsys.readouterr().out


def test_names_can_be_corrected_from_python(tmp_path, capsys):
    script = runpy.run_path(str(EXAMPLES / "correct_names.py"))
    script["main"]("simulated:volumes=6", str(tmp_path / "corrected.acll"))
    assert "AVAL and AVAR are swapped" in capsys.readouterr().out


class TestTheLabelerOfTheExample(LabelerContract):
    """The example is a labeler as good as any."""

    def make_labeler(self):
        return runpy.run_path(str(EXAMPLES / "own_labeler.py"))["BrightestLabeler"]()

    def make_volume(self, index):
        source = SimulatedSource.from_recording(
            "simulated:volumes=10,geometry=small", SourceSettings()
        )
        settings = AcllSettings().preprocess
        return Preprocessor(source.spec, settings).apply(source.read(index))


@pytest.mark.parametrize("name", ["settings.md", "cli.md"])
def test_the_reference_is_made_of_the_code(name):
    made = runpy.run_path(str(ROOT / "docs" / "make_reference.py"))["pages"]()[name]
    committed = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
    assert committed == made, "run `python docs/make_reference.py`"


def test_the_citation_is_of_this_version_and_credits_the_original():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == __version__
    assert citation["license"] == "BSD-3-Clause"
    credited = str(citation["references"])
    assert "AutoCellLabel Live" in credited
    assert "10.7554/eLife.108159" in credited


def test_every_shipped_statistic_has_its_source_in_the_notice():
    notice = (ROOT / "NOTICE").read_text("utf-8")
    package = ROOT / "src" / "napari_acll"
    suffixes = (".npz", ".csv", ".h5", ".npy", ".json")
    for file in (file for file in package.rglob("*") if file.suffix in suffixes):
        assert file.relative_to(ROOT).as_posix() in notice, f"{file.name} is not in NOTICE"

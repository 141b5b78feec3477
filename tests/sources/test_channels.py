import pytest

from napari_acll.core import RecordingError, SourceSettings
from napari_acll.sources._channels import ChannelInfo, choose_channels


def choose(*channels, **settings):
    infos = [ChannelInfo(*channel) for channel in channels]
    return choose_channels(infos, SourceSettings(**settings), recording="a.nd2")


@pytest.mark.parametrize(
    ("first", "second", "activity"),
    [
        (("GCaMP7f", None), ("TagRFP", None), 0),
        (("NLS-TagRFP", None), ("NLS-GCaMP7f", None), 1),
        (("C1", 525.0), ("C2", 610.0), 0),
        (("C1", 610.0), ("C2", 525.0), 1),
        (("C1", 450.0), ("C2", 525.0), 1),
        (("561 confocal", None), ("488 confocal", None), 1),
        (("raw_green", None), ("raw", None), 0),
        # the name of a red indicator counts more than the color of a green marker
        (("jRGECO1a", 600.0), ("EGFP", 510.0), 0),
        (("mNeptune", 650.0), ("TagRFP", 590.0), 0),
        (("a", None), ("b", None), 0),
    ],
)
def test_two_channels_are_told_apart(first, second, activity):
    choice = choose(first, second)
    assert (choice.activity, choice.marker) == (activity, 1 - activity)
    assert f"Activity is channel {activity} ({(first, second)[activity][0]}" in choice.note


def test_a_guess_says_that_it_is_one():
    assert "choose them if this is wrong" in choose(("a", None), ("b", None)).note
    assert "choose them" not in choose(("a", 525.0), ("b", 610.0)).note


def test_one_chosen_channel_of_two_gives_the_other():
    assert choose(("GCaMP", 525.0), ("RFP", 610.0), marker_channel=0).activity == 1
    assert choose(("GCaMP", 525.0), ("RFP", 610.0), activity_channel=1).marker == 0


def test_more_than_two_channels_need_both_chosen():
    three = (("a", None), ("b", 525.0), ("c", None))
    for settings in ({}, {"marker_channel": 0}, {"activity_channel": 1}):
        with pytest.raises(RecordingError, match=r"0 \(a\), 1 \(b, 525 nm\), 2 \(c\)"):
            choose(*three, **settings)
    choice = choose(*three, marker_channel=2, activity_channel=0)
    assert (choice.activity, choice.marker) == (0, 2)

import pytest

from napari_acll.core import Check, Light, worst_light


def _checks(*lights):
    return [Check(name="A", light=light, sentence="B.") for light in lights]


@pytest.mark.parametrize(
    ("lights", "worst"),
    [
        ((), Light.GREEN),
        ((Light.GREEN, Light.GREEN), Light.GREEN),
        ((Light.GREEN, Light.AMBER, Light.GREEN), Light.AMBER),
        ((Light.AMBER, Light.RED, Light.GREEN), Light.RED),
    ],
)
def test_the_worst_line_decides(lights, worst):
    assert worst_light(_checks(*lights)) is worst

import os

import pytest

from napari_acll.widgets._rendering import is_software, renderer_name


@pytest.mark.parametrize(
    "name",
    [
        "llvmpipe (LLVM 15.0.6, 256 bits)",
        "softpipe",
        "Google SwiftShader",
        "ANGLE (Google, Vulkan 1.3.0 (SwiftShader Device (Subzero)), SwiftShader driver)",
        "Microsoft Basic Render Driver",
        "GDI Generic",
    ],
)
def test_a_renderer_on_the_processor_is_known(name):
    assert is_software(name)


@pytest.mark.parametrize(
    "name", ["NVIDIA GeForce RTX 4090/PCIe/SSE2", "Mesa Intel(R) UHD Graphics 770", "Apple M2", ""]
)
def test_a_graphics_card_is_none(name):
    assert not is_software(name)


@pytest.mark.skipif(
    os.environ.get("LIBGL_ALWAYS_SOFTWARE") != "1" and "DISPLAY" not in os.environ,
    reason="nobody knows what draws here",
)
def test_the_renderer_of_this_computer_has_a_name(qapp):  # noqa: ARG001  OpenGL needs it
    renderer_name.cache_clear()
    name = renderer_name()
    assert name
    assert renderer_name() is name

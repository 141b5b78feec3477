"""Whether pictures are drawn by a graphics card or, slowly, by the processor."""

from functools import lru_cache

from qtpy.QtGui import QOffscreenSurface, QOpenGLContext

_SOFTWARE = (
    "llvmpipe",
    "softpipe",
    "swiftshader",
    "software rasterizer",
    "gdi generic",
    "basic render",
)


@lru_cache(maxsize=1)
def renderer_name() -> str:
    """Return what OpenGL calls that which draws; empty if there is no OpenGL.

    Asks a context of its own, so that the canvas of a viewer is left alone. Needs the
    application; asked once per process.
    """
    from vispy.gloo import gl

    context, surface = QOpenGLContext(), QOffscreenSurface()
    surface.create()
    if not context.create():
        return ""
    before = QOpenGLContext.currentContext()
    before_surface = None if before is None else before.surface()
    if not context.makeCurrent(surface):
        return ""
    try:
        return str(gl.glGetParameter(gl.GL_RENDERER))
    finally:
        context.doneCurrent()
        if before is not None:
            before.makeCurrent(before_surface)


def is_software(renderer: str) -> bool:
    """Return whether a renderer works on the processor.

    Examples
    --------
    >>> is_software("llvmpipe (LLVM 15.0.6, 256 bits)")
    True
    >>> is_software("NVIDIA RTX A4000/PCIe/SSE2")
    False
    """
    return any(name in renderer.lower() for name in _SOFTWARE)

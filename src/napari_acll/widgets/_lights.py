"""The colors of lights and of texts that stand back."""

from qtpy.QtWidgets import QLabel

GOOD, FLAGGED, BAD, QUIET = "#3fbf7f", "#f0a030", "#ff5c5c", "#9aa0aa"


def color_text(label: QLabel, color: str) -> None:
    """Give the text of a label a color, empty for that of the theme.

    A style that stays the same is not set again: that would cost a new layout each time.
    """
    style = f"color: {color}" if color else ""
    if label.styleSheet() != style:
        label.setStyleSheet(style)

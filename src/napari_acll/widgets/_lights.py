"""The colours of lights and of texts that stand back."""

GOOD, FLAGGED, BAD, QUIET = "#3fbf7f", "#f0a030", "#ff5c5c", "#9aa0aa"

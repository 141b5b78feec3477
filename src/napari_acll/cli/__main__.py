"""`python -m napari_acll.cli` is the command `acll`, where scripts are not on the path."""

from napari_acll.cli._main import main

main()

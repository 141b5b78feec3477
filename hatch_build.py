"""Build hook that ships the top-level napari.yaml inside the package."""

import shutil
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ManifestHook(BuildHookInterface):
    """Puts napari.yaml where npe2 looks for it: beside the package's `__init__`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Copy for an editable install, include for a wheel."""
        manifest = Path(self.root, "napari.yaml")
        if version == "editable":
            shutil.copyfile(manifest, Path(self.root, "src", "napari_acll", "napari.yaml"))
        else:
            build_data["force_include"][str(manifest)] = "napari_acll/napari.yaml"

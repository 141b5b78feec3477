"""Checks an installed wheel: the manifest is found, nothing is missing, the import is quick."""

import subprocess
import sys
import time
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path

QUICK_S = 2.0  # on a machine that does other things too; alone it is a tenth of this


def check_import_time() -> None:
    """End if `import napari_acll` is slow in a fresh process."""
    command = [sys.executable, "-c", "import napari_acll"]
    subprocess.run(command, check=True)  # the first one writes the byte code
    start = time.perf_counter()
    subprocess.run(command, check=True)
    took_s = time.perf_counter() - start
    print(f"import napari_acll: {took_s:.2f} s with the start of Python")
    if took_s > QUICK_S:
        sys.exit(f"`import napari_acll` took {took_s:.1f} s, more than {QUICK_S} s.")


def check_manifest() -> None:
    """End if napari would not find the plugin."""
    from npe2 import PluginManager, PluginManifest

    manifest = PluginManifest.from_distribution("napari-acll")
    manager = PluginManager()
    manager.discover(include_npe1=False)
    if "napari-acll" not in manager:
        sys.exit("npe2 does not discover napari-acll.")
    print(f"npe2 finds {manifest.name}: {len(manifest.contributions.commands or [])} commands")


def check_place() -> None:
    """End if the package is not the installed one."""
    spec = find_spec("napari_acll")
    if spec is None or Path(sys.prefix) not in Path(str(spec.origin)).parents:
        sys.exit(f"Expected napari_acll inside {sys.prefix}, found {spec and spec.origin}.")
    names = {str(file) for file in distribution("napari-acll").files or []}
    if "napari_acll/napari.yaml" not in names:
        sys.exit("The wheel holds no napari.yaml.")
    if any(name.startswith(("tests/", "docs/")) for name in names):
        sys.exit("The wheel holds tests or docs.")


check_place()
check_import_time()
check_manifest()

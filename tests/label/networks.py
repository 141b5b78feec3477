"""Small networks, checkpoints and volumes for the tests of labelers."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from napari_acll.core import Volume, VolumeSpec, VoxelGrid
from napari_acll.label._unet3d import NetworkVersion, UNet3D
from napari_acll.label._unet3d_config import read_unet3d_config

NEWEST = NetworkVersion()
SMALL: dict[str, Any] = {
    "name": "UNet3D",
    "in_channels": 1,
    "out_channels": 7,
    "f_maps": 4,
    "num_levels": 2,
    "num_groups": 2,
    "final_sigmoid": False,
}


def small_network(version: NetworkVersion = NEWEST, **changes: Any) -> UNet3D:
    """A network with random weights that is sure of many voxels."""
    torch.manual_seed(0)
    network = UNet3D(read_unet3d_config(SMALL | changes), version).eval()
    return sharpened(network)


def sharpened(network: UNet3D) -> UNet3D:
    """Random weights are sure of nothing: make the last layer steep."""
    with torch.no_grad():
        network.final_conv.weight *= 40
    return network.requires_grad_(False)


def save_checkpoint(folder: Path, network: UNet3D, config: dict[str, Any] | None = None) -> Path:
    """What the reference's trainer leaves: checkpoint and configuration in one folder."""
    path = folder / "best_checkpoint.pytorch"
    state = {"model_state_dict": network.state_dict(), "num_epochs": 1, "best_eval_score": 0.5}
    torch.save(state, path)
    section = config or network.config.model_dump(mode="json", exclude_unset=True)
    (folder / "config.yaml").write_text(yaml.safe_dump({"model": section, "trainer": {"lr": 1}}))
    return path


def random_counts(shape: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    """Poisson background with bright boxes in it."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(100, shape)
    for _ in range(12):
        corner = [int(rng.integers(0, n - 2)) for n in shape]
        box = tuple(slice(start, start + 3) for start in corner)
        counts[box] += int(rng.integers(100, 900))
    return counts.astype(np.uint16)


def volume_of(marker: np.ndarray, index: int = 0) -> Volume:
    """A volume with this marker channel."""
    spec = VolumeSpec(
        grid=VoxelGrid.as_stored(marker.shape, (0.54, 0.54, 0.54)),
        period_s=0.6,  # type: ignore[arg-type]
    )
    return Volume(
        index=index,
        timestamp_s=0.6 * index,
        marker=marker,
        activity=marker // 2,
        spec=spec,
        slice_times_s=np.linspace(0, 0.5, len(marker)),
        marker_background=float(np.median(marker)),
    )

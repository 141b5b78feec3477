"""What the original's network takes for one volume on a device, in each precision.

`python recipes/measure_original_network.py --device cuda:0 --json FILE` labels volumes of the
original's shape with its network (`UNet3D`, f_maps 128, 185 classes, random weights), in single
precision, bfloat16 and half precision, as a whole and in blocks that are kept to `--memory-gb`,
and prints the time from the volume to its labels and the most memory. Half precision is compared
with single precision. On a CPU take `--f-maps 8 --shape 24 60 100`.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from napari_acll.bench import commit, machine, versions
from napari_acll.core import Backend, NeuronTable, Volume, VolumeSpec, VoxelGrid
from napari_acll.label import UNet3DLabeler, choose_device
from napari_acll.label._backend_choice import BackendChoice
from napari_acll.label._backend_trial import backends_to_try
from napari_acll.label._unet3d import UNet3D
from napari_acll.label._unet3d_backend import made_up_volume
from napari_acll.label._unet3d_config import read_unet3d_config

N_CLASSES = 185
STEEPER = 40.0
"""Random weights are sure of nothing; the last layer is made steep so that there are labels."""


def network_of(f_maps: int) -> UNet3D:
    """Return the original's network with random weights."""
    torch.manual_seed(0)
    section = {
        "name": "UNet3D",
        "in_channels": 1,
        "out_channels": N_CLASSES,
        "f_maps": f_maps,
        "num_levels": 4,
        "num_groups": min(16, f_maps),
        "final_sigmoid": False,
    }
    network = UNet3D(read_unet3d_config(section)).eval().requires_grad_(requires_grad=False)
    network.final_conv.weight.data *= STEEPER
    return network


def volumes_of(shape: tuple[int, int, int], n: int) -> list[Volume]:
    """Return made-up volumes, none of them alike."""
    marker = np.clip(made_up_volume(shape) + 120, 0, 65535).astype(np.uint16)
    spec = VolumeSpec(grid=VoxelGrid.as_stored(shape, (0.54, 0.54, 0.54)), period_s=0.6)
    return [
        Volume(
            index=index,
            timestamp_s=0.6 * index,
            marker=np.roll(marker, index, axis=2),
            activity=marker,
            spec=spec,
            slice_times_s=np.linspace(0, 0.5, shape[0]),
            marker_background=120.0,
        )
        for index in range(n)
    ]


def measured(
    backend: Backend, options: argparse.Namespace, volumes: list[Volume], most_gb: float | None
) -> dict[str, Any]:
    """Return times and memory of one way to run the network, and its labels."""
    device = choose_device(options.device)
    labeler = UNet3DLabeler(
        network_of(options.f_maps),
        NeuronTable.numbered(N_CLASSES - 1),
        device=options.device,
        backend=BackendChoice(backend, ""),
        max_memory_gb=most_gb,
    )
    labeler.warm_up(volumes[0].spec, 1)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    took_ms, labels = [], []
    for volume in volumes:
        began_s = time.perf_counter()
        labels.append(labeler.label([volume])[0].instances)
        took_ms.append(1e3 * (time.perf_counter() - began_s))
    on_card = device.type == "cuda"
    peak = (
        torch.cuda.max_memory_allocated(device) if on_card else psutil.Process().memory_info().rss
    )
    return {
        "backend": str(backend),
        "most_gb": most_gb,
        "p50_ms": float(np.median(took_ms)),
        "max_ms": max(took_ms),
        "peak_mb": peak / 1e6,
        "how": list(labeler.notes),
        "labels": labels,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--f-maps", type=int, default=128)
    parser.add_argument("--shape", type=int, nargs=3, default=(64, 120, 284))
    parser.add_argument("--n", type=int, default=10, help="volumes")
    parser.add_argument("--memory-gb", type=float, default=6.0, help="for the run in blocks")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    volumes = volumes_of(tuple(options.shape), options.n)
    runs = []
    for backend in backends_to_try(choose_device(options.device)):
        if backend.is_graph:
            continue
        for most_gb in (None, options.memory_gb):
            runs.append(measured(backend, options, volumes, most_gb))
            labels = runs[-1].pop("labels")
            if len(runs) == 1:
                exact = labels
            same = [float((a == b).mean()) for a, b in zip(exact, labels, strict=True)]
            runs[-1]["same_voxels"] = float(np.mean(same))
            sys.stdout.write(json.dumps(runs[-1]) + "\n")
    if options.json:
        about = {"machine": machine(), "versions": versions(), "commit": commit()}
        given = {key: str(value) for key, value in vars(options).items()}
        told = {**about, "options": given, "runs": runs}
        options.json.write_text(json.dumps(told, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()

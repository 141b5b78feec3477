"""What a network on volumes larger than the memory costs, and how far its labels are the same.

`python recipes/measure_blocks.py` runs a network with the original's layers and fewer maps on
one volume as a whole and layer by layer in blocks, each in a process of its own, and prints time,
peak of memory and how far the probabilities differ; besides, what comes of running the network
itself on overlapping blocks, each normalized by itself. `--checkpoint FILE` takes real weights.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

from napari_acll.label import load_unet3d
from napari_acll.label._unet3d import UNet3D
from napari_acll.label._unet3d_backend import made_up_volume
from napari_acll.label._unet3d_boxes import as_slices, boxes
from napari_acll.label._unet3d_config import read_unet3d_config
from napari_acll.label._unet3d_layerwise import BlockPlan, LayerwiseNetwork
from napari_acll.label._unet3d_plan import kept_values, whole_values
from napari_acll.label._voxel_labels import label_voxels
from napari_acll.selftest import memory_used

MB = 2**20


def network_of(options: argparse.Namespace) -> UNet3D:
    """Return the network to be measured."""
    if options.checkpoint:
        return load_unet3d(options.checkpoint)
    torch.manual_seed(0)
    section = {
        "name": "UNet3D",
        "in_channels": 1,
        "out_channels": options.classes,
        "f_maps": options.f_maps,
        "num_levels": 4,
        "num_groups": min(16, options.f_maps),
        "final_sigmoid": False,
    }
    return UNet3D(read_unet3d_config(section)).eval()


def features(network: UNet3D, x: torch.Tensor, plan: BlockPlan) -> torch.Tensor:
    """Return all features, computed in blocks."""
    layerwise = LayerwiseNetwork(network, plan)
    last = layerwise.features(x)
    together = torch.empty((last.n_channels, *last.shape))
    for box in boxes(last.shape, layerwise.block_of(last)):
        together[(slice(None), *as_slices(box))] = last.read(box)
    return together


def overlapping(network: UNet3D, x: torch.Tensor, block: int, halo: int) -> torch.Tensor:
    """Return features of the network run on overlapping blocks, as one would do it in a minute."""
    shape = tuple(x.shape[2:])
    together: torch.Tensor | None = None
    for box in boxes(shape, (block, block, block)):
        grown = [
            (max(a - halo, 0), min(b + halo, n)) for (a, b), n in zip(box, shape, strict=True)
        ]
        z, y, x_ = (slice(*edges) for edges in grown)
        found = network.features(x[..., z, y, x_])[0]
        if together is None:
            together = torch.empty((found.shape[0], *shape))
        inside = tuple(slice(a - c, b - c) for (a, b), (c, _) in zip(box, grown, strict=True))
        together[(slice(None), *as_slices(box))] = found[(slice(None), *inside)]
    if together is None:
        raise ValueError("Expected a volume with voxels.")
    return together


def child(options: argparse.Namespace) -> None:
    """Label one volume and print what it took."""
    network, x = network_of(options), torch.from_numpy(made_up_volume(options.shape))[None, None]
    plan = BlockPlan(most_values=options.block_mb * MB // 4) if options.run == "blocks" else None
    label_voxels(network, x[..., :16, :32, :32], min_probability=0.75, plan=plan)
    before, began_s, began_cpu_s = memory_used(), time.time(), time.process_time()
    label_voxels(network, x, min_probability=0.75, plan=plan)
    took_s, cpu_s = time.time() - began_s, time.process_time() - began_cpu_s
    peak_mb = memory_used()["process_mb"] - before["process_mb"]
    told = {"took_s": took_s, "cpu_s": cpu_s, "peak_mb": peak_mb}
    sys.stdout.write(json.dumps(told) + "\n")


def differences(options: argparse.Namespace) -> dict[str, float]:
    """Return how far probabilities lie from those of the whole volume, by the way they came."""
    network = network_of(options)
    x = torch.from_numpy(made_up_volume(options.compared))[None, None]

    def probabilities(maps: torch.Tensor) -> torch.Tensor:
        return network.activation(network.final_conv(maps[None]), dim=1)[0]

    with torch.inference_mode():
        whole = probabilities(network.features(x)[0])
        ways = {
            "layer by layer in blocks": features(network, x, BlockPlan(most_values=2**20)),
            "overlapping blocks of 32, halo 16": overlapping(network, x, 32, 16),
        }
        found = {}
        for way, maps in ways.items():
            other = probabilities(maps)
            found[f"{way}: largest difference"] = float((other - whole).abs().max())
            same = (other.argmax(0) == whole.argmax(0)).float().mean()
            found[f"{way}: other class"] = float(1 - same)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--f-maps", type=int, default=16)
    parser.add_argument("--classes", type=int, default=185)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--shape", type=int, nargs=3, default=(64, 120, 284))
    parser.add_argument("--compared", type=int, nargs=3, default=(48, 72, 100))
    parser.add_argument("--block-mb", type=int, default=64)
    parser.add_argument("--run", choices=("whole", "blocks"))
    options = parser.parse_args()
    options.shape, options.compared = tuple(options.shape), tuple(options.compared)
    if options.run:
        child(options)
        return
    config = network_of(options).config
    say = sys.stdout.write
    say(f"whole: {4 * whole_values(config, options.shape) / MB:.0f} MB estimated\n")
    say(f"blocks: {4 * kept_values(config, options.shape) / MB + options.block_mb:.0f} MB\n")
    for how in ("whole", "blocks"):
        words = [sys.executable, *sys.argv, "--run", how]
        told = subprocess.run(words, capture_output=True, text=True, check=True)  # noqa: S603
        say(f"{how}: {told.stdout}")
    for way, value in differences(options).items():
        say(f"{way} {value:.2g}\n")
    say(f"numpy {np.__version__}, torch {torch.__version__}, {torch.get_num_threads()} threads\n")


if __name__ == "__main__":
    main()

"""Measures labels taken block by block against labels from the whole class map.

Run each in its own process, for the peak of memory is that of a process::

    python recipes/measure_unet3d_labels.py network   # features only
    python recipes/measure_unet3d_labels.py dense
    python recipes/measure_unet3d_labels.py blocks

The network has random weights; its background is made so strong that about 5 % of the voxels are
labeled, as neurons take of a head. Peak memory needs a POSIX system.
"""

import argparse
import resource
import sys
import time

import numpy as np
import torch

from napari_acll.label._unet3d import UNet3D
from napari_acll.label._unet3d_config import read_unet3d_config
from napari_acll.label._voxel_labels import label_voxels

SHAPE = (32, 96, 160)
MIN_PROBABILITY = 0.75
N_RUNS = 3


def made_network(n_classes: int, f_maps: int) -> UNet3D:
    """Return a network that labels about 5 % of the voxels."""
    torch.manual_seed(0)
    config = {"name": "UNet3D", "in_channels": 1, "out_channels": n_classes, "f_maps": f_maps}
    network = UNet3D(read_unet3d_config(config | {"num_groups": 16, "final_sigmoid": False}))
    with torch.no_grad():
        network.final_conv.weight *= 40
        # On a small part of the volume: the peak must be that of what is measured.
        logits = network(network.as_input(made_volume()[:8, :32, :32]))[0].flatten(1)
        margin = logits[1:].amax(0) - logits[0]
        network.final_conv.bias[0] += torch.quantile(margin, 0.93)
    return network.eval()


def made_volume() -> np.ndarray:
    """Return counts with 150 bright boxes in them."""
    rng = np.random.default_rng(0)
    volume = rng.poisson(100, SHAPE)
    for _ in range(150):
        z, y, x = (int(rng.integers(0, n - 5)) for n in SHAPE)
        volume[z : z + 5, y : y + 5, x : x + 5] += int(rng.integers(100, 900))
    return volume


@torch.inference_mode()
def dense_labels(network: UNet3D, x: torch.Tensor) -> torch.Tensor:
    """Return the labels by way of the whole class map."""
    highest, classes = network.activation(network(x), dim=1)[0].max(0)
    return torch.where(highest > MIN_PROBABILITY, classes, 0)


def main() -> None:
    """Measure what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["network", "dense", "blocks"])
    parser.add_argument("--classes", type=int, default=185)
    parser.add_argument("--f-maps", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    network = made_network(options.classes, options.f_maps)
    x = network.as_input(made_volume())
    run = {
        "network": torch.inference_mode()(lambda: network.features(x)),
        "dense": lambda: dense_labels(network, x),
        "blocks": lambda: label_voxels(network, x, min_probability=MIN_PROBABILITY),
    }[options.what]
    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    wall_s, cpu_s = [], []
    for _ in range(N_RUNS):
        wall, cpu = time.perf_counter(), time.process_time()
        run()
        wall_s.append(time.perf_counter() - wall)
        cpu_s.append(time.process_time() - cpu)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before_mb
    sys.stdout.write(
        f"{options.what}: {1e3 * min(wall_s):.0f} ms wall, {1e3 * min(cpu_s):.0f} ms of CPU,"
        f" {peak_mb:.0f} MB above the loaded network\n"
    )


if __name__ == "__main__":
    main()

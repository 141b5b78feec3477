# ruff: noqa: T201  (a script that prints)
"""Speed and memory of training, ours and the original's, in one run; by hand, some minutes.

python tests/benchmarks/bench_training.py --f-maps 16 --steps 2

Each row runs in a process of its own, so that its peak of memory is its own:

* `points`: both networks of the point model; a frame is a crop for the one that finds nuclei and
  an animal for the one that names them, and `recipe_cpu_min` is what all steps of its recipe take;
* `unet3d`: our training of the original's network;
* `unet3d-spared`: the same, activations computed twice;
* `unet3d-mixed`: the same, bfloat16 where it is safe;
* `original`: the same network with the loss as AutoCellLabel Live has it: logits, probabilities
  and a signed one-hot target (int8) of all classes and voxels.

The anchor is what is published of AutoCellLabel Live: 8,100 frames of 64 x 120 x 284 in 5 h on
one GPU, 0.45 frames/s; of the version before it, 81 frames in a week.
"""

import argparse
import json
import subprocess
import sys
import time

import numpy as np
import torch

from napari_acll.core import NeuronTable
from napari_acll.training import UNet3DTrainSettings, load_train_settings
from napari_acll.training._unet3d_augmentation import VoxelBatch, augment
from napari_acll.training._unet3d_network import VoxelClassifier, new_network
from napari_acll.training._unet3d_samples import VoxelSample

SHAPE = (64, 120, 284)
N_NEURONS = 184
WAYS = ("points", "unet3d", "unet3d-spared", "unet3d-mixed", "original")
TINY = 1e-10


def one_volume() -> VoxelSample:
    """A volume with 150 nuclei, a fifth of them without a name."""
    rng = np.random.default_rng(0)
    target = np.zeros(SHAPE, np.int16)
    for number in rng.permutation(N_NEURONS)[:150] + 1:
        corner = [int(rng.integers(0, n - 6)) for n in SHAPE]
        is_known = rng.random() < 0.8
        box = tuple(slice(a, a + 6) for a in corner)
        target[box] = number if is_known else N_NEURONS + 1
    used = np.zeros(N_NEURONS + 1, np.bool_)
    used[np.setdiff1d(np.unique(target), [N_NEURONS + 1])] = True
    image = rng.normal(0, 10, SHAPE).astype(np.float32) + 200 * (target > 0)
    weight = np.where(target > 0, 600.0, 1.0).astype(np.float32)
    return VoxelSample(image=image.astype(np.float32), target=target, weight=weight, used=used)


def original_loss(network, image, target, weight, used):
    """The formulation of the original: everything of the size classes x voxels."""
    probability = network(image)[0].softmax(0)
    signed = torch.zeros(probability.shape, dtype=torch.int8, device=image.device)
    known = torch.where(target <= N_NEURONS, target, 0).long()
    signed.scatter_(0, known[None], (target <= N_NEURONS).to(torch.int8)[None])
    signed[:, target > N_NEURONS] = -used.to(torch.int8)[:, None]
    is_it = (signed == 1) * torch.log(probability + TINY)
    is_not = (signed == -1) * torch.log(1 - probability + TINY)
    return -(weight * (is_it + is_not)).mean()


def time_unet3d(way, n_steps, f_maps, device):
    settings = UNet3DTrainSettings(kind="unet3d", f_maps=f_maps)
    neurons = NeuronTable.numbered(N_NEURONS)
    network = new_network(settings, neurons).to(device).train()
    classifier = VoxelClassifier(
        network,
        is_mixed=way == "unet3d-mixed" or device.type == "cuda",
        is_memory_spared=way == "unet3d-spared",
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    sample, losses = one_volume(), []
    start, used = time.perf_counter(), time.process_time()
    for step in range(n_steps):
        data = augment(VoxelBatch.of(sample, device), settings.augmentation, key=(step,))
        arguments = (data.image, data.target, data.weight, data.used)
        if way == "original":
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                loss = original_loss(network, *arguments)
        else:
            loss = classifier(*arguments)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
        if step == 0 and n_steps > 1:  # the first one also chooses algorithms and takes memory
            start, used = time.perf_counter(), time.process_time()
    n_timed = max(n_steps - 1, 1)
    return {
        "frames_per_s": n_timed / (time.perf_counter() - start),
        "cpu_s_per_frame": (time.process_time() - used) / n_timed,
        "losses": losses,
    }


def time_points(n_steps):
    """Train both networks of the point model for some steps of its recipe, one after the other."""
    from pathlib import Path

    from napari_acll.simulate import sample_points
    from napari_acll.training._animals import Herd, home_of
    from napari_acll.training._crops import CropSampler
    from napari_acll.training._detector_training import train_detector
    from napari_acll.training._identifier_training import train_identifier
    from napari_acll.training._loop import LoopPlan
    from napari_acll.training._point_batches import DetectorErrors, detect_points
    from napari_acll.training._train_networks import new_model

    recipe = Path(__file__).parents[2] / "recipes" / "train_default.yaml"
    settings = load_train_settings(recipe)
    herd = Herd.from_settings(settings.model_copy(update={"positions_file": None}))
    model = new_model(settings, herd)
    times = {"detector": [time.process_time()], "identifier": []}
    detector, identifier = settings.detector, settings.identifier
    sampler = CropSampler(
        herd.anatomy, shape_px=detector.crop_px, n_per_volume=detector.crops_per_volume, seed=0
    )
    train_detector(
        model.detector,
        sampler,
        batch_size=detector.batch_size,
        plan=LoopPlan(n_steps=n_steps, learning_rate=1e-3),
        on_step=lambda *_: times["detector"].append(time.process_time()),
    )
    times["identifier"].append(time.process_time())
    train_identifier(
        model.identifier,
        home_of(herd.anatomy),
        lambda rng: detect_points(
            sample_points(herd.anatomy, rng), DetectorErrors.sample(rng), rng
        ),
        batch_size=identifier.batch_size,
        seed=0,
        plan=LoopPlan(n_steps=n_steps, learning_rate=1e-3),
        on_step=lambda *_: times["identifier"].append(time.process_time()),
    )
    per_step = {name: float(np.median(np.diff(at)[1:])) for name, at in times.items()}
    return {
        "crops_per_cpu_s": detector.batch_size / per_step["detector"],
        "animals_per_cpu_s": identifier.batch_size / per_step["identifier"],
        "recipe_cpu_min": (
            per_step["detector"] * detector.n_steps + per_step["identifier"] * identifier.n_steps
        )
        / 60,
    }


def peak_memory_gb(device):
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 1e9
    import resource  # not on Windows, where this row is left out

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def measure(way, chosen):
    torch.set_num_threads(chosen.threads)
    device = torch.device(chosen.device)
    if way == "points":
        result = time_points(max(chosen.steps, 6))
    else:
        result = time_unet3d(way, chosen.steps, chosen.f_maps, device)
    return result | {"way": way, "peak_gb": peak_memory_gb(device)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--f-maps", type=int, default=16)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--ways", nargs="*", default=WAYS, choices=WAYS)
    parser.add_argument("--in-process", action="store_true", help="used by the script itself")
    chosen = parser.parse_args()
    if chosen.in_process:
        print(json.dumps(measure(chosen.ways[0], chosen)))
        return
    shown = sys.argv[1:] if "--ways" not in sys.argv else sys.argv[1 : sys.argv.index("--ways")]
    print(f"{SHAPE}, {N_NEURONS} neurons, f_maps {chosen.f_maps}, {chosen.threads} thread(s)")
    for way in chosen.ways:
        command = [sys.executable, __file__, *shown, "--in-process", "--ways", way]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        print(done.stdout.strip() or f"{way}: {done.stderr.strip().splitlines()[-1]}", flush=True)


if __name__ == "__main__":
    main()

"""Small recordings of known arrays, in every form that users have them."""

import h5py
import nrrd
import numpy as np
import tifffile

from napari_acll.simulate import Nd2Channel, Nd2Writer

PERIOD_S, SLICE_S = 0.5, 0.01
SIZE_UM = (0.54, 0.18, 0.2)
GCAMP = Nd2Channel(name="GCaMP", emission_nm=525.0)
TAGRFP = Nd2Channel(name="TagRFP", emission_nm=610.0)


def random_counts(n_volumes=3, n_channels=2, n_z=4, n_y=6, n_x=7, dtype=np.uint16):
    """Return counts (T, C, Z, Y, X)."""
    rng = np.random.default_rng(n_volumes * 100 + n_z)
    shape = (n_volumes, n_channels, n_z, n_y, n_x)
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype, True)


def slice_time_s(t, z):
    return t * PERIOD_S + z * SLICE_S


def write_nd2(path, counts, *, order="TZ", channels=(GCAMP, TAGRFP), lacks=(), **options):
    """Write counts (T, C, Z, Y, X); `order` T writes a recording without a z loop.

    `lacks` are numbers of frames that are left out.
    """
    n_t, _, n_z, n_y, n_x = counts.shape
    positions = [(t, z) for t in range(n_t) for z in range(n_z)]
    if order == "ZT":
        positions = [(t, z) for z in range(n_z) for t in range(n_t)]
    counted = {"T": n_t, "Z": n_z}
    loops = {"T": n_t * n_z} if order == "T" else {axis: counted[axis] for axis in order}
    loops = options.pop("loops", loops)
    times_s = options.pop("times_s", None)
    with Nd2Writer(
        path,
        frame_shape=(n_y, n_x),
        channels=channels,
        loops=loops,
        dtype=counts.dtype,
        **{"voxel_size_um": SIZE_UM, "period_s": PERIOD_S, **options},
    ) as writer:
        for number, (t, z) in enumerate(positions):
            if number in lacks:
                writer.skip_frames(1)
                continue
            time_s = slice_time_s(t, z) if times_s is None else times_s[number]
            writer.append_frame(counts[t, :, z], time_s)
    return path


def write_nd2_files(folder, counts, numbers):
    """Write one file per volume; each has its own clock and an absolute start."""
    for number, volume in zip(numbers, counts, strict=True):
        start_day = 2_460_000.5 + number * PERIOD_S / 86_400
        path = folder / f"worm_t{number:04d}.nd2"
        write_nd2(path, volume[None], order="Z", start_julian_day=start_day)


def write_nrrd_files(folder, counts, numbers):
    for number, volume in zip(numbers, counts, strict=True):
        for channel, values in enumerate(volume):
            path = folder / f"2022-07-26-38_t{number:04d}_ch{channel + 1}.nrrd"
            nrrd.write(str(path), np.ascontiguousarray(values.T), index_order="F")


def write_h5_files(folder, counts, numbers):
    for number, (activity, marker) in zip(numbers, counts, strict=True):
        with h5py.File(folder / f"worm_t{number:04d}.h5", "w") as file:
            file["raw"] = marker[None]
            file["raw_green"] = activity[None]


def write_tif_files(folder, counts, numbers):
    for number, volume in zip(numbers, counts, strict=True):
        tifffile.imwrite(
            folder / f"worm_t{number:04d}.ome.tif",
            volume.swapaxes(0, 1),
            metadata={
                "axes": "ZCYX",
                "PhysicalSizeZ": SIZE_UM[0],
                "PhysicalSizeY": SIZE_UM[1],
                "PhysicalSizeX": SIZE_UM[2],
            },
        )


def write_npy_files(folder, counts, numbers):
    for number, volume in zip(numbers, counts, strict=True):
        np.save(folder / f"worm_t{number:04d}.npy", volume)


FOLDER_WRITERS = {
    "nd2": write_nd2_files,
    "nrrd": write_nrrd_files,
    "h5": write_h5_files,
    "tif": write_tif_files,
    "npy": write_npy_files,
}

"""A virtual worm under a virtual microscope."""

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import (
    AlignmentOrigin,
    ChannelAlignment,
    Volume,
    VolumeSpec,
    VoxelGrid,
)
from napari_acll.simulate._activity import ActivitySettings, sample_traces, trace_column
from napari_acll.simulate._anatomy import Anatomy, AnimalShape
from napari_acll.simulate._camera import Camera, CameraSettings
from napari_acll.simulate._defects import Defects, DefectSettings, sample_defects, spoil
from napari_acll.simulate._head import HeadSettings
from napari_acll.simulate._kernels import draw_masks
from napari_acll.simulate._motion import Motion, MotionSettings
from napari_acll.simulate._optics import (
    OpticsSettings,
    Scene,
    expose,
    seen_by_activity_camera,
)
from napari_acll.simulate._tissue import TissueSettings
from napari_acll.simulate._truth import Truth

Floats = NDArray[np.float64]

ORIENTATIONS = ("left", "left-rolled", "right", "right-rolled")
"""Where the nose points, and whether the animal lies on its other side."""
FIELDS_UM = ((43.2, 113.4, 173.9), (34.6, 64.8, 153.4))
"""Extent of the original's volumes, whole and cropped to the animal, `(z, y, x)`."""
SWEEP_SHARE = 0.95
"""Part of the period that the sweep through the slices takes; the rest is the way back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WormSettings:
    """Everything about a virtual recording that is not the animal's shape.

    Parameters
    ----------
    grid : VoxelGrid
        Shape and voxel size; the default is that of the original's recordings, binned.
    period_s : float
        Time between volumes.
    n_volumes : int
        Length of the recording.
    motion, optics, activity : MotionSettings, OpticsSettings, ActivitySettings
        See there.
    tissue, camera : TissueSettings, CameraSettings
        See there; even nuclei and plain cameras by default.
    defects : DefectSettings
        What goes wrong; nothing by default.
    orientation : str, optional
        One of `ORIENTATIONS`; drawn at random if None.
    alignment : ChannelAlignment, optional
        How the activity camera lies; drawn at random if None.
    n_false_spots : int
        Bright spots that are no nuclei (granules), about.
    false_spot_light : float
        Their typical brightness, relative to that of a median neuron.
    focus_um : float
        Place of the animal's center along the body in the middle of the field, um behind the
        middle of the canonical frame; negative is toward the nose.
    """

    grid: VoxelGrid = field(
        default_factory=lambda: VoxelGrid.as_stored((80, 210, 322), (0.54, 0.54, 0.54))
    )
    period_s: float = 0.6
    n_volumes: int = 200
    motion: MotionSettings = field(default_factory=MotionSettings)
    optics: OpticsSettings = field(default_factory=OpticsSettings)
    activity: ActivitySettings = field(default_factory=ActivitySettings)
    tissue: TissueSettings = field(default_factory=TissueSettings)
    camera: CameraSettings = field(default_factory=CameraSettings)
    defects: DefectSettings = field(default_factory=DefectSettings)
    orientation: str | None = None
    alignment: ChannelAlignment | None = None
    n_false_spots: int = 12
    false_spot_light: float = 0.5
    focus_um: float = 0.0

    @classmethod
    def sample(cls, rng: np.random.Generator, *, grid: VoxelGrid | None = None) -> "WormSettings":
        """Return the settings of a single volume on one of many rigs, for training.

        Geometry, light, blur, noise, texture, motion and defects are drawn each by itself, so
        that what is learned holds on a rig that nobody thought of.

        Parameters
        ----------
        rng : numpy.random.Generator
            Decides everything.
        grid : VoxelGrid, optional
            Shape and voxel size, drawn if None.
        """
        return cls(
            grid=grid or _random_grid(rng),
            n_volumes=1,
            motion=MotionSettings.sample(rng),
            optics=OpticsSettings.diverse(rng),
            tissue=TissueSettings.sample(rng),
            camera=CameraSettings.sample(rng),
            defects=DefectSettings.sample(rng),
            n_false_spots=int(rng.integers(0, 25)),
            false_spot_light=float(np.exp(rng.normal(-0.7, 0.5))),
        )


class VirtualWorm:
    """One animal in one recording; any volume of it can be rendered, in any order.

    Parameters
    ----------
    shape : AnimalShape
        The animal at rest.
    settings : WormSettings
        Motion, optics, activity and geometry.
    seed : int
        Decides everything else: posture, motion, activity, noise.
    """

    def __init__(self, shape: AnimalShape, settings: WormSettings, *, seed: int) -> None:
        self.shape = shape
        self.settings = settings
        self.seed = seed
        rng = np.random.default_rng([seed, 1])
        drawn = ORIENTATIONS[int(rng.integers(len(ORIENTATIONS)))]
        self.orientation = settings.orientation or drawn
        self._motion = Motion(
            settings.motion,
            rng,
            n_modes=shape.modes_um.shape[2],
            heading_rad=np.pi if self.orientation.startswith("right") else 0.0,
            roll_rad=np.pi if self.orientation.endswith("rolled") else 0.0,
            jumps_per_s=settings.defects.stage_jumps_per_min / 60,
            duration_s=settings.n_volumes * settings.period_s,
        )
        self.alignment = settings.alignment or _random_alignment(rng)
        self.spec = VolumeSpec(
            grid=settings.grid, period_s=settings.period_s, n_volumes=settings.n_volumes
        )
        n = len(shape)
        self._axis_ratio = np.exp(rng.normal(0, 0.10, (n, 3)))
        self._tilt_rad = rng.uniform(0, np.pi, n)
        self._gcamp = np.exp(rng.normal(0, 0.35, n))
        self._spot_um, self._spot_light, self._spot_radius_um = self._false_spots(rng)
        pixel_um = settings.grid.voxel_size_um[2]
        self._camera = Camera(settings.optics, settings.camera, pixel_um=pixel_um, seed=seed)
        looks = np.random.default_rng([seed, 7])
        self._texture = settings.tissue.textures(n + len(self._spot_um), looks)
        self._glow = settings.tissue.glow(looks)

    @classmethod
    def sample(
        cls,
        seed: int,
        *,
        settings: WormSettings | None = None,
        anatomy: Anatomy | None = None,
        head: HeadSettings | None = None,
    ) -> "VirtualWorm":
        """Return a new animal; the same seed gives the same animal and recording."""
        rng = np.random.default_rng([seed, 0])
        shape = (anatomy or Anatomy.load()).sample(rng, head=head)
        return cls(shape, settings or WormSettings(), seed=seed)

    @cached_property
    def ratios(self) -> NDArray[np.float32]:
        """F/F20 of every nucleus, `(n, n_volumes)`; at most some thousand columns."""
        rng = np.random.default_rng([self.seed, 2])
        settings = self.settings
        return sample_traces(
            self.shape.names,
            settings.n_volumes,
            settings.period_s,
            rng,
            settings=settings.activity,
        )

    def slice_times_s(self, index: int) -> Floats:
        """Return the time of each slice of a volume, shape `(Z,)`."""
        period, n_z = self.settings.period_s, self.spec.shape[0]
        within = np.arange(n_z, dtype=np.float64) * (SWEEP_SHARE * period / n_z)
        times: Floats = index * period + within
        return times

    def render(self, index: int) -> Volume:
        """Return one volume as the two cameras record it.

        Raises
        ------
        IndexError
            If the recording has no volume of this index.
        """
        self._check(index)
        optics, grid = self.settings.optics, self.spec.grid
        scene, activity_light = self._scene(index)
        other = seen_by_activity_camera(scene, activity_light, self.alignment, grid)
        green = expose(other, grid, optics)
        leaked = replace(scene, light=scene.light + optics.bleed_through * activity_light)
        red = expose(leaked, grid, optics)
        defects = self.defects(index)
        for signal in (red, green):
            spoil(signal, defects)
        times = self.slice_times_s(index)
        return Volume(
            index=index,
            timestamp_s=float(times[0]),
            marker=self._record(red, index, 0, defects),
            activity=self._record(green, index, 1, defects),
            spec=self.spec,
            slice_times_s=times,
            missing_z=defects.missing_z,
        )

    def defects(self, index: int) -> Defects:
        """Return what goes wrong in one volume."""
        rng = np.random.default_rng([self.seed, 4, index])
        return sample_defects(self.settings.defects, self.spec.shape, rng)

    def truth(self, index: int) -> Truth:
        """Return what is true of one volume.

        Raises
        ------
        IndexError
            If the recording has no volume of this index.
        """
        self._check(index)
        n, times = len(self.shape), self.slice_times_s(index)
        path_px = self._path_px(index, self._nuclei_um(index))
        centroid, at = _where_the_slice_meets(path_px)
        marker, activity = self._light(index)
        offset = np.stack([self._motion.offset_um(time)[1:] for time in times])
        return Truth(
            index=index,
            time_s=float(times[0]),
            names=self.shape.names,
            is_listed=self.shape.is_listed,
            centroid_px=centroid,
            centroid_time_s=np.interp(at, np.arange(len(times)), times),
            radius_um=self._radii_um()[:n].prod(1) ** (1 / 3),
            marker=marker[:n],
            activity=activity[:n],
            ratio=self._ratio(index),
            alignment=self.alignment,
            slice_offset_um=offset,
        )

    def instance_masks(self, index: int) -> NDArray[np.uint16]:
        """Return `row + 1` in the voxels of each nucleus and 0 elsewhere, `(Z, Y, X)`.

        The rows are those of `truth`; a nucleus is the ellipsoid that shines, without blur.
        """
        self._check(index)
        masks = np.zeros(self.spec.shape, np.uint16)
        path_px = self._path_px(index, self._nuclei_um(index))
        radius_px = self._radii_um()[: len(self.shape)] / np.asarray(self.spec.voxel_size_um)
        nearest = np.ones(self.spec.shape, np.float32)
        draw_masks(masks, nearest, path_px, radius_px, self._tilt_rad)
        return masks

    def _ratio(self, index: int) -> Floats:
        ratio: Floats = self.ratios[:, trace_column(index)].astype(np.float64)
        return ratio

    def _check(self, index: int) -> None:
        if not 0 <= index < self.settings.n_volumes:
            raise IndexError(
                f"This recording has volumes 0 to {self.settings.n_volumes - 1}, got {index}."
            )

    def _record(
        self, signal: NDArray[np.float32], index: int, channel: int, defects: Defects
    ) -> NDArray[np.uint16]:
        counts = self._camera.record(signal, key=self._noise_key(index, channel))
        counts[list(defects.missing_z)] = 0
        return counts

    def _noise_key(self, index: int, channel: int) -> int:
        words = np.random.SeedSequence([self.seed, 3, index, channel]).generate_state(2)
        return (int(words[0]) << 31) ^ int(words[1])

    def _nuclei_um(self, index: int) -> Floats:
        mode = self._motion.modes(index * self.settings.period_s)
        moved: Floats = self.shape.position_um + self.shape.modes_um @ mode
        return moved

    def _radii_um(self) -> Floats:
        nuclei = self.shape.radius_um[:, None] * self._axis_ratio
        spots = np.repeat(self._spot_radius_um[:, None], 3, axis=1)
        return np.concatenate([nuclei, spots])

    def _light(self, index: int) -> tuple[Floats, Floats]:
        """Return the light of nuclei, then of false spots, in marker and activity."""
        optics, settings = self.settings.optics, self.settings
        now = settings.activity.light(index * settings.period_s)
        marker = np.r_[self.shape.brightness, self._spot_light] * optics.marker_counts
        nuclei = self.shape.brightness**0.5 * self._gcamp * self._ratio(index)
        activity = np.r_[nuclei, 0.5 * self._spot_light] * optics.activity_counts
        # counts are those of a typical nucleus after blur
        blurred = np.sqrt(1.6**2 + 1.5 * np.asarray(optics.psf_um) ** 2)
        gain = float((blurred / 1.6).prod()) * now
        rng = np.random.default_rng([self.seed, 5, index])
        flicker = np.exp(optics.flicker * rng.standard_normal((2, len(marker))))
        return marker * gain * flicker[0], activity * gain * flicker[1]

    def _scene(self, index: int) -> tuple[Scene, Floats]:
        marker, activity = self._light(index)
        points = np.concatenate([self._nuclei_um(index), self._spot_um])
        tilt = np.r_[self._tilt_rad, np.zeros(len(self._spot_um))]
        scene = Scene(
            center_px=self._path_px(index, points),
            radius_um=self._radii_um(),
            tilt_rad=tilt,
            light=marker,
            body_px=self._body_px(index),
            texture=self._texture,
            glow_px=self._to_px(self._glow.position_um, self.slice_times_s(index).mean()),
            glow_sigma_um=self._glow.sigma_um,
            glow_counts=self._glow.counts,
            sharpness=self.settings.tissue.sharpness,
        )
        return scene, activity

    def _path_px(self, index: int, points_um: Floats) -> Floats:
        """Return where points are at the time of each slice, `(Z, n, 3)` in voxels."""
        return np.stack([self._to_px(points_um, time) for time in self.slice_times_s(index)])

    def _to_px(self, points_um: Floats, time_s: float) -> Floats:
        focused = points_um - np.array([0.0, 0.0, self.settings.focus_um])
        voxel = np.asarray(self.spec.voxel_size_um)
        center = (np.asarray(self.spec.shape) - 1) / 2
        placed: Floats = self._motion.place(focused, time_s) / voxel + center
        return placed

    def _body_px(self, index: int) -> Floats:
        """Return points along the body that glow, the nose being thinner than the rest."""
        along = np.arange(-60.0, 130.0, 8.0)
        midline = np.zeros((len(along), 3))
        midline[:, 2] = along
        return self._to_px(midline, self.slice_times_s(index).mean())

    def _false_spots(self, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
        n = int(rng.poisson(self.settings.n_false_spots))
        beside = self.shape.position_um[rng.integers(0, len(self.shape), n)]
        place = beside + rng.normal(0, 6.0, (n, 3))
        typical = np.log(self.settings.false_spot_light)
        return place, np.exp(rng.normal(typical, 0.6, n)), rng.uniform(0.5, 1.3, n)


def _where_the_slice_meets(path_px: Floats) -> tuple[Floats, Floats]:
    """Return where each nucleus is when the sweep passes its center, and at which slice."""
    n_z, n, _ = path_px.shape
    at = np.clip(path_px[:, :, 0].mean(0), 0, n_z - 1)
    place = np.empty((n, 3))
    for _ in range(3):
        low = np.minimum(at.astype(int), n_z - 2)
        share = (at - low)[:, None]
        rows = np.arange(n)
        place = (1 - share) * path_px[low, rows] + share * path_px[low + 1, rows]
        at = np.clip(place[:, 0], 0, n_z - 1)
    return place, at


def _random_grid(rng: np.random.Generator) -> VoxelGrid:
    """Return a field like one of the two of the original's, and voxels of about its size."""
    field_um = FIELDS_UM[int(rng.integers(len(FIELDS_UM)))]
    lateral = float(rng.uniform(0.46, 0.64))
    size = (lateral * float(rng.uniform(0.9, 1.15)), lateral, lateral)
    z, y, x = (round(extent / step) for extent, step in zip(field_um, size, strict=True))
    return VoxelGrid.as_stored((z, y, x), size)


def _random_alignment(rng: np.random.Generator) -> ChannelAlignment:
    """Return how two cameras on one microscope may lie: a few pixels and a part of a degree."""
    dy, dx = rng.normal(0, 1.5, 2)
    return ChannelAlignment(
        dy_um=float(dy),
        dx_um=float(dx),
        theta_deg=float(rng.normal(0, 0.4)),
        origin=AlignmentOrigin.LOADED,
        is_trusted=True,
        note="truth of the simulation",
    )

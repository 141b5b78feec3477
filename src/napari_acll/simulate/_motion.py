"""How a crawling animal moves in the field, as closed forms of time.

Nothing here is integrated step by step, so any moment can be had in any order.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_acll.simulate._geometry import bend, body_nodes_um, rotation

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionSettings:
    """How much the animal and the stage move.

    Parameters
    ----------
    curvature_per_um : float
        Amplitude of the traveling wave of body curvature. 0.006 bends a head by 34 degrees.
    wavelength_um : float
        Of the traveling wave; a crawling adult has about 600 um.
    frequency_hz : float
        Of the traveling wave; 0.3 Hz on agar.
    head_swing_per_um : float
        Curvature of the nose's own faster swings.
    jitter_um : float
        SD of what the tracking stage leaves of the animal's travel.
    jitter_hz : float
        Highest frequency of that.
    drift_z_um : float
        SD of the slow drift of the focus.
    heading_deg : float
        SD of the in-plane direction against the x axis.
    roll_deg : float
        SD of the turn about the long axis.
    deformation : float
        SD, in units of the variation between animals, of slow non-rigid deformation.
    speed : float
        Factor of all speeds, and so of the shear of a volume, the paths staying the same.
    """

    curvature_per_um: float = 0.004
    wavelength_um: float = 600.0
    frequency_hz: float = 0.3
    head_swing_per_um: float = 0.003
    jitter_um: float = 2.5
    jitter_hz: float = 1.5
    drift_z_um: float = 1.0
    heading_deg: float = 10.0
    roll_deg: float = 7.0
    deformation: float = 0.3
    speed: float = 1.0

    @classmethod
    def still(cls) -> "MotionSettings":
        """Return an animal that does not move."""
        nothing = dict.fromkeys(
            (
                "curvature_per_um",
                "head_swing_per_um",
                "jitter_um",
                "drift_z_um",
                "heading_deg",
                "roll_deg",
                "deformation",
            ),
            0.0,
        )
        return cls(**nothing)

    @classmethod
    def fast(cls) -> "MotionSettings":
        """Return an animal that swims rather than crawls."""
        return cls(
            curvature_per_um=0.007,
            frequency_hz=0.9,
            head_swing_per_um=0.005,
            jitter_um=5.0,
            jitter_hz=2.5,
            drift_z_um=2.0,
            deformation=0.5,
        )

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "MotionSettings":
        """Return one of many ways to move, from anesthetized to swimming."""
        usual = cls()
        strength = float(np.exp(rng.uniform(np.log(0.2), np.log(2.0))))
        return cls(
            curvature_per_um=usual.curvature_per_um * float(rng.uniform(0.2, 1.8)),
            head_swing_per_um=usual.head_swing_per_um * float(rng.uniform(0.2, 1.8)),
            jitter_um=usual.jitter_um * strength,
            roll_deg=usual.roll_deg * float(rng.uniform(0.3, 2.0)),
            heading_deg=usual.heading_deg * float(rng.uniform(0.3, 1.8)),
            speed=float(np.exp(rng.uniform(np.log(0.5), np.log(3.0)))),
        )


@dataclass(frozen=True, slots=True)
class Wander:
    """A smooth random function of time with unit variance: a sum of sinusoids."""

    frequency_hz: Floats
    amplitude: Floats
    phase: Floats

    @classmethod
    def sample(
        cls, rng: np.random.Generator, *, lowest_hz: float, highest_hz: float, n_terms: int = 12
    ) -> "Wander":
        """Return a wander with power falling as one over the frequency."""
        log_low, log_high = np.log(lowest_hz), np.log(highest_hz)
        frequency = np.exp(rng.uniform(log_low, log_high, n_terms))
        amplitude = np.abs(rng.standard_normal(n_terms)) + 0.3
        amplitude *= np.sqrt(2.0 / (amplitude**2).sum())
        return cls(frequency, amplitude, rng.uniform(0, 2 * np.pi, n_terms))

    def __call__(self, time_s: Floats) -> Floats:
        """Return the values at these times."""
        angle = 2 * np.pi * np.multiply.outer(np.asarray(time_s), self.frequency_hz) + self.phase
        value: Floats = (self.amplitude * np.sin(angle)).sum(-1)
        return value


class Motion:
    """Where the nuclei of one animal are at any time.

    Parameters
    ----------
    settings : MotionSettings
        How much it moves.
    rng : numpy.random.Generator
        Decides how.
    n_modes : int
        Modes of deformation of the anatomy.
    heading_rad, roll_rad : float
        The posture about which it moves: 0 or pi each for the ways an animal can lie.
    jumps_per_s, duration_s : float
        How often the stage jumps, and for how long it is watched.
    """

    def __init__(
        self,
        settings: MotionSettings,
        rng: np.random.Generator,
        *,
        n_modes: int,
        heading_rad: float,
        roll_rad: float,
        jumps_per_s: float = 0.0,
        duration_s: float = 0.0,
    ) -> None:
        self._settings = settings
        self._heading_rad = heading_rad
        self._roll_rad = roll_rad
        self._wave_phase = rng.uniform(0, 2 * np.pi)
        self._wave_amplitude = Wander.sample(rng, lowest_hz=0.01, highest_hz=0.1)
        self._swing = Wander.sample(rng, lowest_hz=0.2, highest_hz=1.2)
        high = settings.jitter_hz
        self._jitter = [Wander.sample(rng, lowest_hz=0.03, highest_hz=high) for _ in range(2)]
        self._drift = Wander.sample(rng, lowest_hz=0.003, highest_hz=0.2)
        self._turn = Wander.sample(rng, lowest_hz=0.01, highest_hz=0.3)
        self._roll = Wander.sample(rng, lowest_hz=0.01, highest_hz=0.3)
        self._modes = [
            Wander.sample(rng, lowest_hz=0.01, highest_hz=0.4, n_terms=6) for _ in range(n_modes)
        ]
        self._jump_s = rng.uniform(0, duration_s, rng.poisson(jumps_per_s * duration_s))
        self._speed = settings.speed
        self._jump_um = rng.normal(0, 10.0, (len(self._jump_s), 2))

    def modes(self, time_s: float) -> Floats:
        """Return the scores of the modes of deformation at a time, shape `(n_modes,)`."""
        time = np.asarray(self._speed * time_s)
        return self._settings.deformation * np.array([mode(time) for mode in self._modes])

    def curvature_angle(self, time_s: float) -> Floats:
        """Return the direction of the midline at the body's nodes, in radians."""
        settings, nodes = self._settings, body_nodes_um()
        time = np.asarray(self._speed * time_s)
        wave_number = 2 * np.pi / settings.wavelength_um
        phase = 2 * np.pi * settings.frequency_hz * time + self._wave_phase
        strength = settings.curvature_per_um * (1 + 0.3 * self._wave_amplitude(time))
        wave = -np.cos(wave_number * nodes - phase) + np.cos(phase)
        swing = settings.head_swing_per_um * self._swing(time)
        # the swing bends the front only: its curvature falls off behind the nerve ring
        toward_nose = -(np.clip(nodes - 10.0, None, 0.0) ** 2) / 80.0
        angle: Floats = strength / wave_number * wave + swing * toward_nose
        return angle

    def offset_um(self, time_s: float) -> Floats:
        """Return the `(z, y, x)` place of the animal's center in the field."""
        time, settings = np.asarray(self._speed * time_s), self._settings
        since = np.maximum(time_s - self._jump_s, 0.0)
        # the tracker brings the animal back within some seconds
        jump = ((since > 0) * np.exp(-since / 2.0)) @ self._jump_um
        return np.array(
            [
                settings.drift_z_um * self._drift(time),
                settings.jitter_um * self._jitter[0](time) + jump[0],
                settings.jitter_um * self._jitter[1](time) + jump[1],
            ]
        )

    def place(self, position_um: Floats, time_s: float) -> Floats:
        """Return canonical points where they are at a time, `(n, 3)` about the field's center."""
        time, settings = np.asarray(self._speed * time_s), self._settings
        heading = self._heading_rad + np.deg2rad(settings.heading_deg) * self._turn(time)
        roll = self._roll_rad + np.deg2rad(settings.roll_deg) * self._roll(time)
        # rolled first: an animal that lies on its other side still bends in the imaging plane
        rolled = position_um @ rotation(0.0, 0.0, float(roll)).T
        bent = bend(rolled, self.curvature_angle(time_s))
        placed: Floats = bent @ rotation(float(heading), 0.0, 0.0).T + self.offset_um(time_s)
        return placed

"""What the metadata chunks of a simulated ND2 file say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from napari_acll.simulate._nd2_lv import LvValue

_GREEN_RGB = (0, 255, 0)
_MS_PER_S = 1000.0
_TIME_LOOP, _Z_LOOP, _UNEQUAL_TIME_LOOP = 1, 4, 8
_NOT_COMPRESSED, _ZLIB = 2, 0
_FLUORESCENCE_CAMERA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Nd2Channel:
    """One channel of an ND2 file.

    Parameters
    ----------
    name : str
        Name as the microscope's software shows it.
    emission_nm : float, optional
        Wavelength at which it was recorded; None leaves it out.
    color_rgb : tuple of int
        Display color, 0 to 255 each.
    """

    name: str
    emission_nm: float | None = None
    color_rgb: tuple[int, int, int] = _GREEN_RGB


@dataclass(frozen=True, slots=True, kw_only=True)
class Nd2Header:
    """Everything that an ND2 file says about its frames.

    Parameters
    ----------
    frame_shape : tuple of int
        `(Y, X)` pixels.
    channels : sequence of Nd2Channel
        In the order of the components of a pixel.
    loops : mapping of str to int
        `{"T": n, "Z": m}`: planned counts, outermost first; one of them may be left out, or
        both for a single frame.
    bits : int
        Bits per component in memory, 8 or 16.
    significant_bits : int
        Bits that the camera fills.
    voxel_size_um : tuple of float
        `(Z, Y, X)`; the file keeps one lateral size.
    period_s : float
        Time from one volume to the next; 0 says "as fast as possible".
    is_equidistant : bool
        False writes the time loop as a list of phases (`NETimeLoop`).
    start_julian_day : float
        Absolute time of the first frame; 0 says unknown.
    is_compressed : bool
        Whether frames are packed with zlib.
    """

    frame_shape: tuple[int, int]
    channels: Sequence[Nd2Channel]
    loops: Mapping[str, int]
    bits: int
    significant_bits: int
    voxel_size_um: tuple[float, float, float]
    period_s: float
    is_equidistant: bool
    start_julian_day: float
    is_compressed: bool

    @property
    def row_bytes(self) -> int:
        """Bytes of one row, padded to four as the format wants it."""
        used = self.frame_shape[1] * len(self.channels) * self.bits // 8
        return (used + 3) // 4 * 4

    def experiment(self) -> dict[str, LvValue]:
        """Return the nested loops."""
        level: dict[str, LvValue] = {}
        for axis, count in reversed(list(self.loops.items())):
            level = self._loop(axis, count, inner=level)
        return {"SLxExperiment": level}

    def attributes(self, n_frames: int) -> dict[str, LvValue]:
        """Return size and type of the frames."""
        height, width = self.frame_shape
        return {
            "SLxImageAttributes": {
                "uiWidth": width,
                "uiWidthBytes": self.row_bytes,
                "uiHeight": height,
                "uiComp": len(self.channels),
                "uiBpcInMemory": self.bits,
                "uiBpcSignificant": self.significant_bits,
                "uiSequenceCount": n_frames,
                "uiTileWidth": width,
                "uiTileHeight": height,
                "eCompression": _ZLIB if self.is_compressed else _NOT_COMPRESSED,
                "dCompressionParam": 0.0,
                "ePixelType": 1,
                "uiVirtualComponents": len(self.channels),
            }
        }

    def picture(self) -> dict[str, LvValue]:
        """Return channels and calibration."""
        planes: dict[str, LvValue] = {
            f"a{number}": _plane(channel) for number, channel in enumerate(self.channels)
        }
        return {
            "SLxPictureMetadata": {
                "dTimeMSec": 0.0,
                "dTimeAbsolute": self.start_julian_day,
                "dXPos": 0.0,
                "dYPos": 0.0,
                "dZPos": 0.0,
                "sPicturePlanes": {
                    "uiCount": len(self.channels),
                    "uiCompCount": len(self.channels),
                    "sPlaneNew": planes,
                    "uiSampleCount": 1,
                    "sSampleSetting": {"a0": {"pCameraSetting": self._camera()}},
                },
                "dCalibration": self.voxel_size_um[2],
                "dAspect": 1.0,
                "bCalibrated": True,
                "wsObjectiveName": "simulated",
                "dObjectiveMag": 40.0,
                "dObjectiveNA": 1.15,
                "dRefractIndex1": 1.33,
                "dRefractIndex2": 1.33,
                "dZoom": 1.0,
            }
        }

    def _camera(self) -> dict[str, LvValue]:
        height, width = self.frame_shape
        frame: dict[str, LvValue] = {
            "fmtDesc": {"dBinningX": 1.0, "dBinningY": 1.0},
            "rectSensorUser": {"left": 0, "top": 0, "right": width, "bottom": height},
        }
        return {"CameraUserName": "simulated", "FormatQuality": frame}

    def _loop(self, axis: str, count: int, *, inner: dict[str, LvValue]) -> dict[str, LvValue]:
        if axis == "Z":
            kind, parameters = _Z_LOOP, self._z_loop(count)
        elif self.is_equidistant:
            kind, parameters = _TIME_LOOP, self._time_loop(count)
        else:
            kind, parameters = _UNEQUAL_TIME_LOOP, self._unequal_time_loop(count)
        level: dict[str, LvValue] = {
            "eType": kind,
            "wsApplicationDesc": "",
            "uLoopPars": parameters,
            "uiRepeatCount": 1,
            "uiNextLevelCount": 1 if inner else 0,
        }
        if inner:
            level["ppNextLevelEx"] = [inner]
        return level

    def _time_loop(self, count: int) -> dict[str, LvValue]:
        period_ms = self.period_s * _MS_PER_S
        return {
            "uiCount": count,
            "dStart": 0.0,
            "dPeriod": period_ms,
            "dDuration": period_ms * count,
            "bDurationPref": False,
            "dMaxPeriodDiff": 0.0,
            "dMinPeriodDiff": 0.0,
            "dAvgPeriodDiff": period_ms,
        }

    def _unequal_time_loop(self, count: int) -> dict[str, LvValue]:
        return {
            "uiCount": count,
            "uiPeriodCount": 1,
            "pPeriod": [self._time_loop(count)],
            "pPeriodValid": bytes([1]),
        }

    def _z_loop(self, count: int) -> dict[str, LvValue]:
        step = self.voxel_size_um[0]
        half = step * (count - 1) / 2
        return {
            "uiCount": count,
            "bAbsolute": False,
            "bTriggeredPiezo": True,
            "bZInverted": False,
            "dZHigh": half,
            "dZHome": 0.0,
            "dZLow": -half,
            "dZStep": step,
            "iType": 0,
            "wsZDevice": "simulated piezo",
        }


def text_info(header: Nd2Header) -> dict[str, LvValue]:
    """Return the text that a viewer shows about the file."""
    loops = " x ".join(f"{axis}({count})" for axis, count in header.loops.items())
    return {"SLxImageTextInfo": {"TextInfoItem_5": f"Simulated by napari-acll\r\n{loops}"}}


def _plane(channel: Nd2Channel) -> dict[str, LvValue]:
    red, green, blue = channel.color_rgb
    return {
        "uiCompCount": 1,
        "uiSampleIndex": 0,
        "uiModalityMask": _FLUORESCENCE_CAMERA,
        "pFluorescentProbe": {
            "m_sName": channel.name,
            # without spectra, even empty ones, the nd2 package fails on the file
            "m_ExcitationSpectrum": _spectrum(None),
            "m_EmissionSpectrum": _spectrum(channel.emission_nm),
        },
        "pFilterPath": {"m_sDescr": "", "m_uiCount": 0},
        "uiColor": red | green << 8 | blue << 16,
        "sDescription": channel.name,
        "dPinholeDiameter": -1.0,
    }


def _spectrum(wavelength_nm: float | None) -> dict[str, LvValue]:
    if wavelength_nm is None:
        return {"uiCount": 0, "pPoint": {}, "bPoints": False}
    point: dict[str, LvValue] = {"eType": 1, "dWavelength": wavelength_nm, "dTValue": 1.0}
    return {"uiCount": 1, "pPoint": {"Point0": point}, "bPoints": False}

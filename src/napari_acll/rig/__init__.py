"""A rig on the desk: plays a recording at the true rate, as microscopes hand theirs over."""

from napari_acll.rig._clock import LOG_COLUMNS
from napari_acll.rig._faults import FaultKind, FaultPlan
from napari_acll.rig._film import Film, FilmInfo, film_folder, is_film, make_film
from napari_acll.rig._plan import RigPlan, RigResult, RouteName, route_of
from napari_acll.rig._rig import play_film

__all__ = [
    "LOG_COLUMNS",
    "FaultKind",
    "FaultPlan",
    "Film",
    "FilmInfo",
    "RigPlan",
    "RigResult",
    "RouteName",
    "film_folder",
    "is_film",
    "make_film",
    "play_film",
    "route_of",
]

"""Plays a film as a microscope would."""

import time
from collections.abc import Callable
from pathlib import Path

from napari_acll.core import RecordingError
from napari_acll.rig._clock import RigClock, RigLog
from napari_acll.rig._faults import ALL, WHOLE_VOLUMES, FaultKind, FaultPlan
from napari_acll.rig._film import Film, Progress
from napari_acll.rig._plan import RigPlan, RigResult, RouteName, kept_on_disk
from napari_acll.rig._routes import GrowingNd2Route, Nd2FolderRoute, Route
from napari_acll.rig._streams import NetworkRoute, SharedMemoryRoute

_POSSIBLE = {
    RouteName.ND2: ALL - {FaultKind.LATE},
    RouteName.FOLDER: ALL,
    RouteName.SHM: WHOLE_VOLUMES,
    RouteName.ZMQ: WHOLE_VOLUMES,
}


def play_film(
    film: Film,
    plan: RigPlan,
    *,
    ready: Callable[[str], None] | None = None,
    progress: Progress | None = None,
) -> RigResult:
    """Hand the volumes of a film over at the rate at which they were recorded.

    A rig that is late goes on at once until it has caught up. After `KeyboardInterrupt` the
    recording is finished as if it had been stopped at the microscope.

    Parameters
    ----------
    film : Film
        What is shown.
    plan : RigPlan
        How, where to, how long.
    ready : callable, optional
        Called with the address for the reader, just before the first volume.
    progress : callable, optional
        Called with the number of volumes so far.

    Returns
    -------
    RigResult

    Raises
    ------
    RecordingError
        If a fault is not possible, or the recording cannot be written.
    """
    n_z = film.info.shape[0]
    faults = FaultPlan(plan.faults, n_z=n_z, possible=_POSSIBLE[plan.route])
    clock = RigClock(film.info.period_s if plan.period_s is None else plan.period_s, n_z)
    with RigLog(plan.log, clock) as log:
        route = _make_route(film, plan, clock)
        player = _Player(film, plan, clock, log, faults, route)
        try:
            if ready is not None:
                ready(route.address)
            if isinstance(route, NetworkRoute):
                route.wait_for_reader(plan.wait_s)
            time.sleep(plan.delay_s)
            return player.play(progress)
        except OSError as error:
            raise RecordingError(
                f"Cannot write {plan.out} ({error.strerror}); free some space or choose another"
                " place."
            ) from error
        finally:
            route.finish(is_crash=player.is_crash)


class _Player:
    """One recording while it is played."""

    def __init__(
        self,
        film: Film,
        plan: RigPlan,
        clock: RigClock,
        log: RigLog,
        faults: FaultPlan,
        route: Route,
    ) -> None:
        self._film, self._plan, self._clock = film, plan, clock
        self._log, self._faults, self._route = log, faults, route
        self._n_played = self._n_left_out = 0
        self.is_crash = False

    def play(self, progress: Progress | None) -> RigResult:
        self._clock.begin()
        computed_s, is_interrupted = time.process_time(), False
        try:
            for index in range(self._plan.n_volumes):
                if self.is_crash or self._faults.of(index).is_end:
                    break
                self._play_one(index)
                if progress is not None:
                    progress(index + 1)
        except KeyboardInterrupt:  # as if the microscope was stopped
            is_interrupted = True
        seconds = self._clock.now_s()
        return RigResult(
            n_volumes=self._n_played,
            n_left_out=self._n_left_out,
            n_bytes=self._n_played * self._film.info.volume_bytes,
            seconds=seconds,
            late_ms=tuple(self._log.late_ms),
            core_share=(time.process_time() - computed_s) / max(seconds, 1e-9),
            is_interrupted=is_interrupted,
        )

    def _play_one(self, index: int) -> None:
        faults = self._faults.of(index)
        if faults.stall_s:
            self._clock.wait_until(self._clock.now_s() + faults.stall_s)
        if faults.is_dropped:
            self._clock.wait_until(self._clock.frame_time_s(index + 1, 0))
            self._route.leave_out(index)
            self._n_left_out += 1
        else:
            self._route.play(index, faults)
            self.is_crash = faults.is_crash
            self._n_played += not faults.is_crash
        self._log.add(index, self._film.shown(index), self._faults.names(index))


def _make_route(film: Film, plan: RigPlan, clock: RigClock) -> Route:
    n_kept = kept_on_disk(plan, film.info)
    n_volumes = plan.n_volumes
    if plan.route is RouteName.SHM:
        name = plan.out.removeprefix("shm:")
        return SharedMemoryRoute(name, film, clock, n_volumes=n_volumes)
    if plan.route is RouteName.ZMQ:
        return NetworkRoute(plan.out, film, clock, n_volumes=n_volumes)
    path = Path(plan.out)
    if plan.route is RouteName.FOLDER:
        return Nd2FolderRoute(path, film, clock, n_kept=n_kept)
    return GrowingNd2Route(path, film, clock, n_volumes=n_volumes, n_kept=n_kept)

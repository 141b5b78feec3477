"""What a user should know about how a growing ND2 file was read."""

from collections.abc import Iterator

from napari_acll.sources._frame_order import ClockedSlots, FrameNumbers, NumberedSlots
from napari_acll.sources._live_clock import LiveClock
from napari_acll.sources._nd2_tail import Nd2Tail
from napari_acll.sources._volume_assembly import VolumeAssembly


def what_was_lacking(
    tail: Nd2Tail,
    numbers: FrameNumbers,
    slots: NumberedSlots | ClockedSlots,
    assembly: VolumeAssembly,
    clock: LiveClock,
    *,
    n_damaged: int,
    is_over: bool,
) -> Iterator[str]:
    """Yield a sentence for everything of which there was at least one.

    While the recording runs a sentence does not change; how many there were is told at its end.

    Parameters
    ----------
    tail, numbers, slots, assembly, clock
        What the frames went through, with its counts.
    n_damaged : int
        Compressed frames that could not be unpacked.
    is_over : bool
        Whether the recording is over.
    """
    counted = (
        (tail.n_resyncs, "places of the file were damaged and are passed"),
        (numbers.n_duplicates, "frames came twice or late and are left out"),
        (numbers.n_renumbered, "frames had a damaged number, which was put right"),
        (numbers.n_foreign, "frames fitted nowhere and are left out"),
        (n_damaged, "compressed frames are damaged and are left out"),
        (assembly.n_late, "slices came after the next volume and are left out"),
        (slots.n_dropped, "frames were dropped by the camera, as their times tell"),
        (clock.n_untimed, "volumes have no times that can be true; a period is used"),
        (clock.n_constant, "volumes carry one time for all slices; it is spread"),
    )
    for count, what in counted:
        if count:
            yield f"{what[0].upper()}{what[1:]}; how many is told at the end."
        if count and is_over:
            yield f"{count} {what}."
    if isinstance(slots, ClockedSlots):
        yield from _clock_notes(slots)


def _clock_notes(slots: ClockedSlots) -> Iterator[str]:
    if slots.is_irregular:
        yield "The times of the frames are too irregular to tell whether the camera dropped any."
    if slots.flyback_z:
        yield (
            f"The longest pause lies before slice {slots.flyback_z}, not before the first one;"
            " check the frames before the first slice (z_first)."
        )

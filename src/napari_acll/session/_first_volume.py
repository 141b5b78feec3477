"""The first volume of a finished recording, as it is stored."""

from napari_acll.core import RecordingError, SourceSettings, Volume


def first_volume(recording: str, settings: SourceSettings) -> Volume:
    """Return the first volume of a recording, neither cropped nor binned.

    Parameters
    ----------
    recording : str
        As for `build_session`.
    settings : SourceSettings
        How it is read.

    Raises
    ------
    RecordingError
        If it cannot be read, is empty, or is live: that would have to be waited for.
    """
    from napari_acll.sources import open_source

    source = open_source(recording, settings)
    try:
        if source.is_live:
            raise RecordingError(
                "A live recording has no frame before it begins; press Look, and set the crop"
                " while its volumes are shown."
            )
        volume = next(iter(source), None)
    finally:
        source.close()
    if volume is None:
        raise RecordingError(f"{recording} has no volumes; choose another recording.")
    return volume

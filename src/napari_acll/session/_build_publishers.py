"""Publishers made from settings."""

import logging
from typing import Any, cast

from napari_acll.core import (
    PluginError,
    Publisher,
    PublishMode,
    PublishSettings,
    load_stage,
)

_log = logging.getLogger(__name__)


def make_publishers(settings: PublishSettings) -> list[Publisher]:
    """Return the publishers that the settings ask for: one, or none.

    Raises
    ------
    PluginError
        If samples are to be published and what that needs is not installed.
    SettingsError
        If samples are to be published and the address cannot be used.
    """
    if settings.mode is PublishMode.OFF:
        return []
    try:
        publisher = _make(settings)
    except PluginError as error:
        if settings.mode is PublishMode.ON:
            raise
        _log.info("Samples are not published: %s", error)
        return []
    if settings.mode is PublishMode.ON:  # better now than when the recording begins
        publisher.open()
        publisher.close()
    return [publisher]


def _make(settings: PublishSettings) -> Publisher:
    factory = cast("Any", load_stage("publishers", settings.publisher))
    publisher = factory.from_settings(settings)
    if not isinstance(publisher, Publisher):
        raise PluginError(
            f"{factory!r} does not make publishers: an object with `address`, `open`,"
            " `publish` and `close` is expected. Report this to whoever wrote it."
        )
    return publisher

"""Publishers made from settings."""

import logging
from typing import Any, cast

from napari_acll.core import (
    AcllError,
    Check,
    Light,
    PluginError,
    Publisher,
    PublishMode,
    PublishSettings,
    SettingsError,
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


def check_publishing(settings: PublishSettings) -> Check | None:
    """Return whether samples can be published now, None if they are not to be.

    Parameters
    ----------
    settings : PublishSettings
        The address is taken for a moment, and let go of.
    """
    if settings.mode is PublishMode.OFF:
        return None
    name = "Publishing"
    try:
        publisher = _make(settings)
    except PluginError as error:
        if settings.mode is PublishMode.ON:
            return _refused(error)
        return Check(name=name, light=Light.GREEN, sentence=f"Off: {error}")
    try:
        publisher.open()
        publisher.close()
    except SettingsError as error:
        if settings.mode is PublishMode.ON:
            return _refused(error)
        sentence = f"The session goes on without publishing: {error}"
        return Check(name=name, light=Light.AMBER, sentence=sentence)
    sentence = f"Samples are published at {settings.address}."
    return Check(name=name, light=Light.GREEN, sentence=sentence)


def _refused(error: AcllError) -> Check:
    return Check(
        name="Publishing", light=Light.RED, sentence=str(error), exit_code=error.exit_code
    )


def _make(settings: PublishSettings) -> Publisher:
    factory = cast("Any", load_stage("publishers", settings.publisher))
    publisher = factory.from_settings(settings)
    if not isinstance(publisher, Publisher):
        raise PluginError(
            f"{factory!r} does not make publishers: an object with `address`, `open`,"
            " `publish` and `close` is expected. Report this to whoever wrote it."
        )
    return publisher

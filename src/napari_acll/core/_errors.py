"""Errors of our own domain; each kind ends the command line with its own exit code."""

from typing import ClassVar


class AcllError(Exception):
    """Base of every error that this package raises about its own domain.

    The message says what was expected, what came and what to do. The command line prints it as
    one line and exits with `exit_code`.
    """

    exit_code: ClassVar[int] = 1


class RecordingError(AcllError):
    """A recording is missing, damaged, or not a two-channel series of volumes."""

    exit_code = 3


class NotBegunError(RecordingError):
    """A recording that was to be followed did not begin in the time given to it."""


class ModelError(AcllError):
    """A checkpoint, weights file or name table cannot be used."""

    exit_code = 4


class SettingsError(AcllError):
    """A settings file or value is not valid."""

    exit_code = 5


class SessionError(AcllError):
    """A session folder cannot be created, written or read, or a session failed while running."""

    exit_code = 6


class CorrectionError(SessionError):
    """A correction of names makes no sense for the model, or came when the session was over."""


class AlignmentError(AcllError):
    """A channel alignment file cannot be read or does not fit the recording."""

    exit_code = 7


class PluginError(AcllError):
    """A stage asked for by name is not installed, or does not fit its protocol."""

    exit_code = 8

"""An error is one sentence on the screen; one that nobody foresaw is in the log as well."""

from napari_acll.core import SessionError
from napari_acll.widgets._error_sentence import sentence_of_error


def test_our_own_errors_say_it_themselves(caplog):
    assert sentence_of_error(SessionError("Do this."), what="The session") == "Do this."
    assert not caplog.records


def test_others_are_told_with_what_was_kept_and_logged(caplog):
    told = sentence_of_error(ValueError("5"), what="The session", kept="what was traced is saved")
    assert told == (
        "The session ended by an unexpected error (ValueError: 5); what was traced is saved;"
        " please report it."
    )
    assert "ValueError: 5" in caplog.text

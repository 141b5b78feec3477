"""What a source has to tell while a recording is running."""

import logging

_logger = logging.getLogger(__name__)

_MOST = 100


class LiveNotes(list[str]):
    """Sentences, of which no more are kept than somebody would read; the log has all of them."""

    def tell(self, sentence: str) -> None:
        """Add a sentence."""
        _logger.info("%s", sentence)
        if len(self) < _MOST:
            self.append(sentence)
        elif len(self) == _MOST:
            self.append("There is more to tell; the log has it.")

    def tell_last(self, sentence: str) -> None:
        """Add a sentence however many there are."""
        _logger.info("%s", sentence)
        self.append(sentence)

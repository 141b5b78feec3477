"""Other libraries' errors as part of one sentence of ours."""

_LONGEST = 200


def reason_of(error: BaseException) -> str:
    """Return what an error says, on one line and not too long; its kind if it says nothing."""
    text = " ".join(str(error).split()).rstrip(".")
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}..."
    return text or type(error).__name__

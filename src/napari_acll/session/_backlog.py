"""What becomes of volumes that wait, told before the first one."""

from napari_acll.core import AcllSettings, DropPolicy
from napari_acll.session._outbox import Event


def backlog_event(settings: AcllSettings) -> Event:
    """Return what happens when labeling falls behind, by which setting.

    Parameters
    ----------
    settings : AcllSettings
        As they are applied.
    """
    run = settings.run
    if run.drop_policy is DropPolicy.BLOCK:
        message = (
            "Backlog: the reading waits for the labeling, nothing is skipped"
            " (run.drop_policy=block)."
        )
    elif run.drop_policy is DropPolicy.NEWEST:
        message = (
            "Backlog: of all volumes that wait only the newest is labeled, the others are skipped"
            " (run.drop_policy=newest)."
        )
    else:
        less = (
            " Before it comes to that, less is done (run.degrades_when_late)."
            if run.degrades_when_late
            else ""
        )
        message = (
            f"Backlog: {run.queue_capacity} volumes may wait, then the oldest is skipped so that"
            f" the newest come in time (run.drop_policy=drop_oldest).{less}"
        )
    details = {
        "drop_policy": run.drop_policy.value,
        "queue_capacity": run.queue_capacity,
        "degrades_when_late": run.degrades_when_late,
    }
    return Event("backlog", message, details)

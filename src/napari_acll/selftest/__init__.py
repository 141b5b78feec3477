"""A whole session on this machine and device, and a report of it that a user can send."""

from napari_acll.selftest._job import Job, run_step
from napari_acll.selftest._memory import memory_used
from napari_acll.selftest._report import text_lines
from napari_acll.selftest._selftest import selftest

__all__ = ["Job", "memory_used", "run_step", "selftest", "text_lines"]

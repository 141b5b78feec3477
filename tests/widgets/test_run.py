from napari_acll.core import AcllSettings, RecordingError
from napari_acll.widgets._run import Run, RunRequest

READY = ("armed", "Ready: the model is warm; start the microscope.")


def test_what_is_told_before_there_is_a_session_reaches_the_screen():
    def build(request):
        request.tell(*READY)
        raise RecordingError("It never began.")

    run = Run(RunRequest(recording="worm", settings=AcllSettings(), out=None), build)
    run.start()
    assert run.wait(20)
    assert run.take_events() == [READY]
    assert str(run.error) == "It never began."

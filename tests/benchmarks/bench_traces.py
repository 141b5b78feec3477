# ruff: noqa: T201  (a script that prints)
"""What one update of the traces dock costs the GUI thread, in CPU time; run by hand.

xvfb-run -a -s "-screen 0 1440x900x24" python tests/benchmarks/bench_traces.py

Each update adds one volume to a recording of 1600. *Set* is what `refresh` takes, *paint* is what
Qt then takes to draw. *All anew* is what it would cost without chunks: every trace is set again.
"""

import argparse
import time
from types import SimpleNamespace

import numpy as np
from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication

from napari_acll.core import NeuronTable, TraceFlag, TraceSample, TraceStore, VolumeStatus
from napari_acll.widgets import TracePlotWidget
from napari_acll.widgets._trace_view import TimeAxis, TraceValues, TraceView

PERIOD_S = 0.6


def fill(store: TraceStore, start: int, stop: int) -> None:
    rng = np.random.default_rng(start)
    n_neurons = len(store.neurons)
    for index in range(start, stop):
        if index % 97 == 0:
            store.skip(index, VolumeStatus.SKIPPED)
            continue
        sample = TraceSample.absent(index, PERIOD_S * index, n_neurons, VolumeStatus.TRACED)
        sample.ratio[:] = 1 + 0.3 * np.sin(index / 20 + np.arange(n_neurons))
        sample.ratio[:] += rng.normal(0, 0.05, n_neurons)
        sample.ratio_sd[:] = 0.05
        sample.flags[:] = TraceFlag.IMPULSE * (rng.random(n_neurons) < 0.02)
        sample.confidence[:] = rng.uniform(0.4, 1, n_neurons)
        store.append(sample)


def make_widget(n_volumes: int, n_neurons: int, n_traces: int) -> tuple[TracePlotWidget, object]:
    viewer = ViewerModel()
    widget = TracePlotWidget(viewer)
    widget.resize(1000, 900)
    store = TraceStore(NeuronTable.numbered(n_neurons))
    fill(store, 0, n_volumes)
    spec = SimpleNamespace(period_s=PERIOD_S)
    session = SimpleNamespace(store=store, spec=spec, marks=(), latest=lambda: None)
    widget._engine.run = SimpleNamespace(session=session)
    widget.show()
    widget.refresh()
    widget._choose(list(range(0, n_neurons, n_neurons // n_traces))[:n_traces])
    QApplication.processEvents()
    return widget, viewer


def switch(widget: TracePlotWidget, values: TraceValues) -> None:
    """Draw other values; what takes long is worked out in steps, between which Qt has its turn."""
    took_ms = []
    while not took_ms or widget._picture.is_behind:
        start = time.thread_time()
        widget._controls.setValue(TraceView(values=values, axis=TimeAxis.SECONDS))
        widget.refresh()
        took_ms.append(1e3 * (time.thread_time() - start))
    print(
        f"{values:11s} switched to in {sum(took_ms):.0f} ms,"
        f" {len(took_ms)} steps, the longest {max(took_ms):.0f} ms"
    )


def measure(widget: TracePlotWidget, n_updates: int, *, all_anew: bool) -> None:
    store = widget._engine.run.session.store
    set_ms, paint_ms = [], []
    for _ in range(n_updates):
        fill(store, store.n_timepoints, store.n_timepoints + 1)
        widget._picture._has_new_rows = all_anew
        start = time.thread_time()
        widget.refresh()
        middle = time.thread_time()
        QApplication.processEvents()
        set_ms.append(1e3 * (middle - start))
        paint_ms.append(1e3 * (time.thread_time() - middle))
    print(
        f"{widget._controls.value().values:11s} {'all anew' if all_anew else 'chunks':9s}"
        f" set {np.median(set_ms):5.1f} (max {max(set_ms):5.1f}) ms,"
        f" paint {np.median(paint_ms):5.1f} (max {max(paint_ms):5.1f}) ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--volumes", type=int, default=1600)
    parser.add_argument("--neurons", type=int, default=150)
    parser.add_argument("--traces", type=int, default=20)
    parser.add_argument("--updates", type=int, default=60)
    options = parser.parse_args()
    application = QApplication.instance() or QApplication([])
    widget, viewer = make_widget(options.volumes, options.neurons, options.traces)
    for values in TraceValues:
        switch(widget, values)
        QApplication.processEvents()
        for all_anew in (True, False):
            measure(widget, options.updates, all_anew=all_anew)
    widget.close()
    del viewer, application


if __name__ == "__main__":
    main()

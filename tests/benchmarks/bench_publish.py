# ruff: noqa: T201  (a script that prints)
"""What publishing costs, and how long a sample takes to another process; run by hand.

python tests/benchmarks/bench_publish.py --samples 300

Of each sample: the CPU time of the thread that labels, the time until the packet was sent, and
until another process had read it; idle, and while this process computes.
"""

import argparse
import subprocess
import sys
import threading
import time

import numpy as np

from napari_acll.core import (
    Corrections,
    NeuronTable,
    SteadyClock,
    TraceSample,
    VolumeStatus,
)
from napari_acll.publish import ZmqPublisher
from napari_acll.session._deadline_monitor import DeadlineMonitor
from napari_acll.session._publishing import Publishing

N_NEURONS = 185
PAUSE_S = 0.02
READER = """
import sys, time, zmq
socket = zmq.Context().socket(zmq.SUB)
socket.connect(sys.argv[1]); socket.subscribe("")
socket.recv_json(); print("heard", flush=True)
while True:
    n_bytes = len(frame := socket.recv()); now_s = time.time()
    import json
    message = json.loads(frame)
    if message["kind"] == "end":
        break
    print(message["index"], now_s - message["traced_at_s"], n_bytes)
"""


def make_sample(index: int) -> TraceSample:
    sample = TraceSample.absent(index, 0.6 * index, N_NEURONS, VolumeStatus.TRACED)
    rng = np.random.default_rng(index)
    for values in (sample.ratio, sample.confidence, sample.neuron_time_s):
        values[:] = rng.random(N_NEURONS)
    return sample


def compute(stop: threading.Event) -> None:
    """Do what a labeler does to the other threads: numpy calls, most of them short."""
    field = np.random.default_rng(0).random((64, 120, 284), np.float32)
    while not stop.is_set():
        float(np.sort(field[:8], axis=None)[0] + sum(range(2000)))


def measure(n_samples: int, *, is_busy: bool) -> None:
    publisher = ZmqPublisher("tcp://127.0.0.1:*")
    deadlines = DeadlineMonitor(0.6, is_published=True, tell=lambda _: None)
    publishing = Publishing(
        [publisher],
        neurons=NeuronTable.numbered(N_NEURONS),
        corrections=Corrections(NeuronTable.numbered(N_NEURONS)),
        clock=SteadyClock(),
        deadlines=deadlines,
        tell=lambda _: None,
    )
    publishing.start()
    command = [sys.executable, "-c", READER, publisher.address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
        hot = threading.Event()
        threading.Thread(target=lambda: (reader.stdout.readline(), hot.set())).start()
        while not hot.wait(0.05):
            publish(publishing, 0)
        stop = threading.Event()
        busy = threading.Thread(target=compute, args=(stop,))
        if is_busy:
            busy.start()
        cpu_s = []
        for index in range(1, n_samples + 1):
            time.sleep(PAUSE_S)
            cpu_s.append(publish(publishing, index))
        stop.set()
        if is_busy:
            busy.join()
        publishing.finish()
        lines = [line.split() for line in reader.stdout.read().splitlines()]
    heard_s = [float(seconds) for index, seconds, _ in lines if int(index) > 0]
    sent = deadlines.report().stages["publish"]
    print(f"{'busy' if is_busy else 'idle'}: {len(heard_s)} of {n_samples} heard,", end=" ")
    print(f"{lines[-1][2]} bytes, labeling thread {1e6 * np.median(cpu_s):.0f} us,", end=" ")
    print(f"sent p50 {1e3 * sent.p50_s:.2f} p99 {1e3 * sent.p99_s:.2f} ms,", end=" ")
    p50_ms, p99_ms = 1e3 * np.quantile(heard_s, [0.5, 0.99])
    print(f"read p50 {p50_ms:.2f} p99 {p99_ms:.2f} max {1e3 * max(heard_s):.2f} ms")


def publish(publishing: Publishing, index: int) -> float:
    sample, now_s, began_s = make_sample(index), time.perf_counter(), time.thread_time()
    publishing.put(sample, seen_s=now_s, traced_s=now_s, is_held=False)
    return time.thread_time() - began_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=300)
    n_samples = parser.parse_args().samples
    for is_busy in (False, True):
        measure(n_samples, is_busy=is_busy)


if __name__ == "__main__":
    main()

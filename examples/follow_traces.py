"""Follow a running session from another program: python follow_traces.py [ADDRESS] [NEURON]."""

import sys

import zmq

ADDRESS, NEURON = (*sys.argv[1:], *("tcp://127.0.0.1:5571", "AVAL")[len(sys.argv) - 1 :])
socket = zmq.Context().socket(zmq.SUB)
socket.connect(ADDRESS)
socket.subscribe("")
while (message := socket.recv_json())["kind"] != "end":
    for neuron in message["neurons"]:
        if neuron["name"] == NEURON and neuron["confidence"] > 0.5:
            print(f"{message['time_s']:.1f} s: {NEURON} {neuron['ratio']}", flush=True)

"""Buffers that are used again and recorded steps; without a GPU the recorder is another."""

import numpy as np
import pytest
import torch

from napari_acll.label._fixed_shapes import FixedShapeRunner, record_cuda_graph

CPU = torch.device("cpu")


def double(values):
    return 2 * values.float()


def record_here(step):
    """Does what a graph does: the same steps again, into the memory of the first result."""
    result = step()

    def replay():
        result.copy_(step())
        return result

    return replay


def fail(_):
    raise RuntimeError("capture failed.\nmore lines")


def runner(record=record_here, is_graph=True):
    return FixedShapeRunner(
        double, device=CPU, dtype=torch.float16, is_graph=is_graph, record=record
    )


def values(*shape):
    return torch.from_numpy(np.random.default_rng(0).normal(size=shape).astype(np.float32))


def test_recorded_steps_give_what_the_steps_give_for_each_new_input():
    recorded, plain = runner(), runner(is_graph=False)
    for scale in (1, -3, 7):
        given = scale * values(2, 3)
        torch.testing.assert_close(recorded(given), plain(given))
    assert recorded.is_graph
    assert not recorded.notes


def test_a_shape_is_recorded_once_and_too_many_shapes_are_not():
    shapes = []

    def record(step):
        shapes.append(tuple(step().shape))
        return record_here(step)

    many = runner(record)
    for n in (2, 3, 2, 4, 5, 3):
        assert many(values(n)).shape == (n,)
    assert shapes == [(2,), (3,)]


def test_where_recording_fails_the_steps_are_done_one_by_one_with_a_word():
    failing = runner(fail)
    given = values(4)
    for _ in range(2):
        torch.testing.assert_close(failing(given), double(given.half()))
    (note,) = failing.notes
    assert "(capture failed)" in note
    assert "one by one" in note
    assert not failing.is_graph


def test_a_replay_that_fails_is_given_up_too():
    def record(step):
        step()
        return lambda: fail(None)

    failing = runner(record)
    given = values(4)
    torch.testing.assert_close(failing(given), double(given.half()))
    assert len(failing.notes) == 1


def test_memory_that_runs_out_is_not_taken_for_a_failed_recording():
    def record(_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")

    with pytest.raises(torch.OutOfMemoryError):
        runner(record)(values(4))


def test_without_a_gpu_there_is_no_graph():
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(RuntimeError, match="need a GPU"):
        record_cuda_graph(lambda: torch.zeros(1))


@pytest.mark.gpu
def test_a_graph_of_a_gpu_gives_what_its_steps_give():
    card = torch.device("cuda", 0)
    on_card = FixedShapeRunner(double, device=card, dtype=torch.float16, is_graph=True)
    for scale in (1, -3, 7):
        given = scale * values(64, 64)
        np.testing.assert_allclose(on_card.fetch(on_card(given)), double(given.half()).numpy())
    assert on_card.is_graph

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import torch

from chrominance.pipelines.video_threads import BufferPool, Outlet, Prefetch


def ours():
    return [t for t in threading.enumerate() if t.name.startswith("chrominance-")]


class Interrupted(BaseException):
    pass


def test_pool_lends_each_array_once():
    pool = BufferPool((2, 3))
    one, two = pool.take(), pool.take()
    assert not np.shares_memory(one, two)


def test_pool_takes_back_what_nothing_refers_to():
    pool = BufferPool((4,))
    array = pool.take()
    address = array.ctypes.data
    tensor = torch.from_numpy(array)[1:]
    del array
    other = pool.take()
    assert other.ctypes.data != address  # the tensor's view still holds it
    del tensor
    assert pool.take().ctypes.data == address


def test_prefetch_keeps_order_and_looks_ahead_no_further_than_told():
    made = []

    def source():
        for n in range(50):
            made.append(n)
            yield n

    with Prefetch(source(), 3) as items:
        iterator = iter(items)
        assert next(iterator) == 0
        time.sleep(0.1)
        assert len(made) <= 1 + 3 + 1
        assert list(iterator) == list(range(1, 50))
    assert not ours()


def test_prefetch_hands_over_exceptions():
    def source():
        yield 1
        raise Interrupted("stop")

    with Prefetch(source(), 2) as items, pytest.raises(Interrupted, match="stop"):
        assert [n for n in items] == [1]
    assert not ours()


def test_prefetch_closes_its_source_when_left_early():
    closed = threading.Event()

    def source():
        try:
            while True:
                yield 0
        finally:
            closed.set()

    with Prefetch(source(), 2) as items:
        next(iter(items))
    assert closed.is_set()
    assert not ours()


def test_outlet_consumes_in_order():
    got = []
    outlet = Outlet(got.append, 2)
    for n in range(20):
        outlet.put(n)
    outlet.finish()
    outlet.close()
    assert got == list(range(20))
    assert not ours()


@pytest.mark.parametrize("kind", [ValueError, Interrupted])
def test_outlet_raises_where_items_are_put(kind):
    def consume(item):
        raise kind("full")

    outlet = Outlet(consume, 2)
    with pytest.raises(kind, match="full"):
        for n in range(10):
            outlet.put(n)
    outlet.close()
    assert not ours()
    outlet = Outlet(consume, 2)
    outlet.put(1)
    with pytest.raises(kind, match="full"):
        outlet.finish()
    outlet.close()


def test_outlet_close_drops_what_waits():
    gate = threading.Event()
    got = []

    def consume(item):
        gate.wait(5)
        got.append(item)

    outlet = Outlet(consume, 4)
    for n in range(4):
        outlet.put(n)
    threading.Timer(0.05, gate.set).start()
    outlet.close()
    assert got in ([], [0])
    assert not ours()

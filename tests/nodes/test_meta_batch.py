"""A clip in VideoHelperSuite's chunks is the clip in one piece."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from comfy_api.latest import io

from chrominance.nodes import meta_batch
from chrominance.nodes.color_match import ColorMatch
from chrominance.nodes.exemplar import ExemplarColorize
from chrominance.nodes.palette import PaletteExtract
from chrominance.nodes.recolor import PaletteRecolor
from chrominance.nodes.stabilize import TemporalStabilize
from chrominance.pipelines.palette import Palette


class Manager:
    """Has what VideoHelperSuite's BatchManager has of interest."""

    def __init__(self, unique_id: str = "7") -> None:
        self.unique_id, self.has_closed_inputs = unique_id, False


def in_chunks(node, chunks, call, manager=None, unique_id="3"):
    """Run a node as the queue does: a class of its own each time, with its hidden inputs."""
    manager = manager or Manager()
    results = []
    for number, chunk in enumerate(chunks):
        manager.has_closed_inputs = number == len(chunks) - 1
        inputs = {} if number == 0 else {"requeue": number}
        hidden = io.HiddenHolder(unique_id, {manager.unique_id: {"inputs": inputs}})
        clone = type(node.__name__, (node,), {"hidden": hidden})
        results.append(call(clone, chunk, manager))
    return results


@pytest.fixture
def frames():
    generator = torch.Generator().manual_seed(0)
    base = torch.rand(1, 40, 60, 1, generator=generator).expand(-1, -1, -1, 3)
    tint = 0.1 * torch.randn(40, 1, 1, 3, generator=generator)
    return (0.3 + 0.4 * base + tint).clamp(0, 1)


@pytest.mark.parametrize(("ahead", "sizes"), [(0, [1, 9, 30]), (6, [12, 12, 12, 4]), (6, [20, 19, 1])])
def test_steady_colours_go_on_from_chunk_to_chunk(frames, ahead, sizes):
    pytest.importorskip("cv2")
    whole = TemporalStabilize.execute(frames, 1.0, look_ahead=ahead)[0]
    parts = in_chunks(
        TemporalStabilize,
        frames.split(sizes),
        lambda node, chunk, manager: node.execute(chunk, 1.0, look_ahead=ahead, meta_batch=manager)[0],
    )
    assert torch.equal(torch.cat(parts), whole)
    assert (whole - frames).abs().max() > 0.05
    if ahead == 0:
        assert [len(part) for part in parts] == sizes
    assert not meta_batch._entries  # nothing is kept after the last chunk


def test_a_chunk_too_short_to_look_ahead_says_so(frames):
    pytest.importorskip("cv2")
    with pytest.raises(ValueError, match="set frames_per_batch of the Meta Batch Manager to 12 at least"):
        in_chunks(
            TemporalStabilize,
            frames.split(10),
            lambda node, chunk, manager: node.execute(chunk, 1.0, meta_batch=manager),
        )


@pytest.mark.parametrize("node", [ColorMatch, PaletteRecolor])
def test_the_change_of_the_first_chunk_stays(frames, node):
    frames[20:] = frames[20:].flip(-1) ** 2
    other = frames[:1].roll(1, -1)
    target = Palette.from_hex(["#203040", "#c09060", "#80a0e0"])

    def call(node, chunk, manager=None):
        if issubclass(node, ColorMatch):
            return node.execute(chunk, other, "reinhard", "keep", 1.0, 0, meta_batch=manager)
        return node.execute(chunk, target, "soft", "keep", "order", 1.0, meta_batch=manager)

    parts = in_chunks(node, frames.split(20), call)
    first = call(node, frames[:20])
    assert torch.equal(parts[0][0], first[0])
    assert parts[1][1] is parts[0][1]
    assert not torch.equal(parts[1][0], call(node, frames[20:])[0])


def test_a_palette_is_that_of_the_first_chunk(frames):
    frames[20:] = frames[20:].flip(-1) ** 2
    parts = in_chunks(
        PaletteExtract,
        frames.split(20),
        lambda node, chunk, manager: node.execute(chunk, "k-means", 4, 0, meta_batch=manager),
    )
    assert parts[0][0] is parts[1][0]
    assert parts[0][0] == PaletteExtract.execute(frames[:20], "k-means", 4, 0)[0]


def test_references_are_looked_at_once(frames, monkeypatch):
    from chrominance.nodes import exemplar

    looked = []
    gather = exemplar.gather
    monkeypatch.setattr(exemplar, "gather", lambda *given: looked.append(1) or gather(*given))
    settings = ("embedded", 0.5, 1.0, 1.0, 0.0, 64)
    image, reference = frames[:4, ..., :1].expand(-1, -1, -1, 3), {"reference0": frames[:1]}
    whole = ExemplarColorize.execute(image, reference, *settings)[0]
    parts = in_chunks(
        ExemplarColorize,
        image.split(2),
        lambda node, chunk, manager: node.execute(chunk, reference, *settings, meta_batch=manager)[0],
    )
    assert len(looked) == 2
    torch.testing.assert_close(torch.cat(parts), whole, atol=1e-5, rtol=0)


def hidden(number, owner="7", node="3"):
    return io.HiddenHolder(node, {owner: {"inputs": {"requeue": number}}})


def test_a_new_run_begins_anew_and_a_missing_chunk_is_named():
    manager = Manager()
    kept = meta_batch.chunk_of(manager, hidden(0), list).kept
    kept.append("old")
    assert meta_batch.chunk_of(manager, hidden(1), list).kept == ["old"]
    assert meta_batch.chunk_of(manager, hidden(0), list).kept == []
    assert meta_batch.chunk_of(manager, hidden(0, node="4"), list).kept == []
    with pytest.raises(ValueError, match="chunk 3 of a clip came, and not the one before it"):
        meta_batch.chunk_of(manager, hidden(2), list)
    for node in range(40):
        meta_batch.chunk_of(manager, hidden(0, node=str(node)), list)
    assert len(meta_batch._entries) <= 16
    meta_batch._entries.clear()


@pytest.mark.parametrize("other", [SimpleNamespace(), SimpleNamespace(unique_id="9", has_closed_inputs=True)])
def test_another_packs_socket_is_refused(other):
    with pytest.raises(ValueError, match="must come from the Meta Batch Manager of VideoHelperSuite"):
        meta_batch.chunk_of(other, hidden(0), list)

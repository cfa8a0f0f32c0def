"""ColorMNet: its memory by the formulas and in its bounds; frames after an exemplar and each other."""

from __future__ import annotations

import pytest
import torch

from chrominance.models import Conditions, Previous
from chrominance.models.colormnet import SPEC, ColorMNet, ColorMNetColorizer, MemorySettings
from chrominance.models.colormnet.encoders import Key
from chrominance.models.colormnet.memory import (
    Memory,
    Store,
    affinity,
    most_used,
    prototypes_of,
    similarity,
)


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def frame(seed, side=3):
    key, shrinkage, selection = (noise(1, c, side, side, seed=seed + n) for n, c in enumerate((64, 1, 64)))
    nothing = torch.zeros(1, 1, side, side)
    return Key(key / 4, shrinkage**2 + 1, selection.sigmoid(), nothing, nothing, nothing)


def value(seed, side=3):
    return noise(2, 512, side, side, seed=seed + 50)


def test_likeness_by_the_formula():
    key, shrinkage = noise(64, 5), noise(1, 5, seed=1) ** 2 + 1
    query, selection = noise(64, 4, seed=2), noise(64, 4, seed=3).sigmoid()
    found = similarity(key, shrinkage, query, selection)
    for i in range(5):
        for j in range(4):
            wanted = -(selection[:, j] * (key[:, i] - query[:, j]) ** 2).sum() * shrinkage[0, i] / 8
            torch.testing.assert_close(found[i, j], wanted, atol=1e-4, rtol=1e-4)


def test_the_nearest_alone_count():
    likeness = noise(9, 4)
    weights = affinity(likeness, 3)
    torch.testing.assert_close(weights.sum(0), torch.ones(4))
    assert ((weights > 0).sum(0) == 3).all()
    assert torch.equal(affinity(likeness, 30), likeness.softmax(0))


def test_what_is_memorised_is_found_again():
    memory = Memory(MemorySettings(nearest=1))
    for seed in (0, 10, 20):
        memory.add(frame(seed), value(seed))
    seen = frame(10)._replace(selection=torch.ones(1, 64, 3, 3))
    torch.testing.assert_close(memory.read(seen), value(10))


def test_memory_is_bounded_and_keeps_the_first_and_the_newest():
    settings = MemorySettings(most=4, least=2, prototypes=5, long=18)
    memory = Memory(settings)
    for number in range(60):
        memory.add(frame(number), value(number))
        memory.read(frame(number + 1))
        assert memory.work is not None and memory.work.key.shape[1] < 4 * 9
        assert memory.long is None or memory.long.key.shape[1] <= 18
    assert torch.equal(memory.work.key[:, :9], frame(0).key.flatten(2)[0])
    assert torch.equal(memory.work.key[:, -9:], frame(59).key.flatten(2)[0])
    assert memory.long is not None and memory.long.selection is None
    assert torch.isfinite(memory.read(frame(3))).all()


def store(count, seed=0):
    return Store(
        noise(64, count, seed=seed),
        noise(1, count, seed=seed + 1) ** 2 + 1,
        noise(2, 512, count, seed=seed + 2),
        noise(64, count, seed=seed + 3).sigmoid(),
        torch.arange(count).float(),
        torch.ones(count),
    )


def test_prototypes_are_the_most_used_with_a_value_of_all():
    candidates = store(6)
    found = prototypes_of(candidates, 2)
    assert torch.equal(found.key, candidates.key[:, [5, 4]])
    weights = similarity(
        candidates.key, candidates.shrinkage, candidates.key[:, [5]], candidates.selection[:, [5]]
    ).softmax(0)
    torch.testing.assert_close(found.value[:, :, 0], (candidates.value * weights[:, 0]).sum(2))
    torch.testing.assert_close(found.shrinkage[:, 0], (candidates.shrinkage * weights[:, 0]).sum(1))
    assert prototypes_of(candidates, 20).key.shape[1] == 6
    assert torch.equal(most_used(candidates, 3).key, candidates.key[:, 3:])


@pytest.fixture(scope="module")
def colorizer(random_weights):
    with torch.device("meta"):
        network = ColorMNet()
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    network.load_state_dict(random_weights(shapes, 1), assign=True)
    return ColorMNetColorizer(network.eval().requires_grad_(False), SPEC)


RGB = torch.rand(1, 3, 60, 80, generator=torch.Generator().manual_seed(1))
L = torch.rand(2, 1, 50, 70, generator=torch.Generator().manual_seed(2)) * 100


def test_frames_by_themselves_and_after_each_other(colorizer):
    exemplar = colorizer.encode_exemplar(RGB)
    both = colorizer.colorize(L, Conditions(exemplar=exemplar), size=112)
    assert both.ab.shape == (2, 2, 112, 112) and both.ab.abs().max() <= 110
    alone = colorizer.colorize(L[1:], Conditions(exemplar=exemplar), size=112)
    torch.testing.assert_close(both.ab[1:], alone.ab, atol=1e-3, rtol=1e-4)
    assert list(exemplar.seen) == [(112, 112)]  # seen once
    previous = Previous(L[:1], both.ab[:1])
    after = colorizer.colorize(L[1:], Conditions(exemplar=exemplar, previous=previous), size=112)
    assert not torch.allclose(after.ab, alone.ab, atol=1e-3)
    again = colorizer.colorize(L[1:], Conditions(exemplar=exemplar), size=112)
    assert torch.equal(again.ab, alone.ab)  # nothing was left behind


def test_as_published_remembers(colorizer):
    frames = (torch.rand(4, 3, 50, 112, generator=torch.Generator().manual_seed(3)) * 255).byte()
    state, sizes = None, []
    for one in frames:
        done = colorizer.as_published(one, reference=RGB[0], state=state)
        state = done.state
        sizes.append(state.memory.work.key.shape[1] // 49)
    assert done.rgb.shape == (3, 50, 112) and done.ab.shape == (1, 2, 50, 112)
    assert sizes == [1, 1, 1, 1] and state.since == 3
    alone = colorizer.as_published(frames[3], reference=RGB[0])
    assert not torch.equal(alone.ab, done.ab)
    with pytest.raises(ValueError, match="not that of the frame before"):
        colorizer.as_published((RGB[0].repeat(1, 3, 3) * 255).byte(), reference=RGB[0], state=state)
    with pytest.raises(ValueError, match="leave the size out"):
        colorizer.as_published(frames[0], reference=RGB[0], size=224)
    with pytest.raises(ValueError, match="without a reference"):
        colorizer.as_published(frames[0])


def test_its_licence_is_told():
    assert "non-commercial" in SPEC.weights_licence

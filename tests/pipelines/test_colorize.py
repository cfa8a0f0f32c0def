import pytest
import torch

from chrominance.models.contract import Chroma, Colorizer, ModelSpec
from chrominance.pipelines.colorize import ColorizeSettings, colorize
from chrominance.pipelines.merge import merge


class Flat(Colorizer):
    """Proposes one colour for each picture, that of its mean lightness."""

    spec = ModelSpec("flat", "Flat", "none", "none", "none", temperature=1.0)

    def __init__(self):
        self.network = torch.nn.Linear(1, 1)
        self.seen = []

    def _colorize(self, L, conditions, *, size, temperature):
        self.seen.append((len(L), size, temperature))
        level = L.mean((1, 2, 3), keepdim=True) / 5
        return Chroma(torch.cat([level, -level], 1).expand(-1, 2, 4, 4), torch.ones(len(L), 1, 4, 4))


def _pictures(count):
    levels = torch.linspace(0.2, 0.8, count).view(-1, 1, 1, 1)
    return levels.expand(count, 3, 10, 14).contiguous()


def test_batches_do_not_change_the_result_and_progress_adds_up():
    rgb, done = _pictures(5), []
    flat = Flat()
    whole = colorize(rgb, flat, batch=5)
    parts = colorize(rgb, flat, batch=2, progress=done.append)
    torch.testing.assert_close(whole.rgb, parts.rgb, atol=1e-6, rtol=0)
    assert done == [2, 2, 1]
    assert [n for n, _, _ in flat.seen] == [5, 2, 2, 1]
    assert parts.ab.shape == (5, 2, 16, 16) and parts.confidence.shape == (5, 1, 4, 4)


def test_settings_reach_the_model_and_the_merge():
    rgb, flat = _pictures(1), Flat()
    settings = ColorizeSettings(strength=0.5, saturation=0.7, temperature=0.3, size=48)
    out = colorize(rgb, flat, settings)
    assert flat.seen == [(1, 48, 0.3)]
    expected = merge(rgb, out.ab, strength=0.5, saturation=0.7)
    assert torch.equal(out.rgb, expected)


def test_a_mask_for_each_picture():
    rgb = _pictures(3)
    mask = torch.zeros(3, 1, 10, 14)
    mask[1] = 1
    out = colorize(rgb, Flat(), mask=mask, batch=2).rgb
    assert torch.equal(out[[0, 2]], rgb[[0, 2]])
    assert not torch.equal(out[1], rgb[1])


def test_an_interrupt_passes_through():
    class Stop(BaseException):
        pass

    def stop(_):
        raise Stop

    with pytest.raises(Stop):
        colorize(_pictures(3), Flat(), batch=1, progress=stop)


@pytest.mark.parametrize(
    ("rgb", "kwargs", "words"),
    [
        (torch.zeros(3, 4, 4), {}, "rgb must be"),
        (torch.zeros(0, 3, 4, 4), {}, "empty"),
        (_pictures(3), {"mask": torch.zeros(2, 1, 10, 14)}, "give one, or as many"),
        (_pictures(1), {"batch": 0}, "batch"),
        (torch.full((1, 3, 4, 4), float("nan")), {}, "NaN"),
    ],
)
def test_bad_input_is_named(rgb, kwargs, words):
    with pytest.raises(ValueError, match=words):
        colorize(rgb, Flat(), **kwargs)


@pytest.mark.parametrize("kwargs", [{"strength": 2.0}, {"saturation": float("nan")}])
def test_settings_out_of_range(kwargs):
    with pytest.raises(ValueError):
        ColorizeSettings(**kwargs)

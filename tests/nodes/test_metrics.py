from __future__ import annotations

import math

import pytest
import torch
from skimage import metrics

from chrominance.color import ciede2000, rgb_to_lab
from chrominance.nodes.metrics import ColorMetrics
from chrominance.pipelines.metrics import colorfulness


def measure(image, reference=None, kind="pictures"):
    names = ("report", "psnr", "delta_e", "auc", "colorfulness", "cdc")
    return dict(zip(names, ColorMetrics.execute(image, kind, reference).args, strict=True))


@pytest.fixture
def faded(pictures):
    """The pictures with half their colour, as 8 bits hold them."""
    return ((pictures + pictures.mean(-1, keepdim=True)) / 2 * 255).round() / 255


@pytest.fixture
def pictures(pictures):
    """As 8 bits hold them."""
    return (pictures * 255).round() / 255


def test_figures_agree_with_scikit_image_and_the_engine(pictures, faded):
    figures = measure(faded, pictures)
    pairs = zip(pictures.numpy(), faded.numpy(), strict=True)
    expected = [metrics.peak_signal_noise_ratio(p, f, data_range=1) for p, f in pairs]
    assert figures["psnr"] == pytest.approx(sum(expected) / 3, abs=1e-3)
    planes = [x.movedim(-1, 1) for x in (faded, pictures)]
    assert figures["delta_e"] == pytest.approx(ciede2000(*map(rgb_to_lab, planes)).mean().item(), rel=1e-4)
    assert figures["colorfulness"] == pytest.approx(colorfulness(planes[0]).mean().item(), rel=1e-4)
    assert 0 < figures["auc"] < 100
    assert math.isnan(figures["cdc"])


def test_the_reference_itself_is_perfect(pictures):
    figures = measure(pictures, pictures)
    assert (figures["psnr"], figures["delta_e"], figures["auc"]) == (100, 0, 100)


def test_without_a_reference_only_colour_is_measured(pictures):
    figures = measure(pictures)
    assert figures["colorfulness"] > 20
    assert all(math.isnan(figures[name]) for name in ("psnr", "delta_e", "auc", "cdc"))
    assert "PSNR" not in figures["report"]
    assert "reference" not in figures["report"]


def test_the_report_is_a_table_of_every_figure(pictures, faded):
    figures = measure(faded.repeat(2, 1, 1, 1), pictures.repeat(2, 1, 1, 1), "clip")
    lines = figures["report"].splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert lines[0] == "| 6 pictures | image | reference |"
    for text in (
        f"{figures['psnr']:.2f} dB",
        f"{figures['delta_e']:.2f}",
        f"{figures['cdc']:.6f}",
        "within 5 %",
    ):
        assert text in figures["report"]


def test_a_clip_is_measured_in_time(pictures):
    still = pictures[:1].repeat(6, 1, 1, 1)
    assert measure(still, kind="clip")["cdc"] == 0
    flicker = still.clone()
    flicker[::2] *= 0.8
    assert measure(flicker, still, "clip")["cdc"] > 0.02
    one_for_all = measure(flicker, pictures[:1], "clip")
    assert one_for_all["cdc"] > 0.02
    with pytest.raises(ValueError, match=r"at least 5 frames .* got 3"):
        measure(pictures, kind="clip")


def test_one_reference_serves_for_all(pictures):
    figures = measure(pictures[:1].repeat(3, 1, 1, 1), pictures[:1])
    assert figures["psnr"] == 100


def test_alpha_and_grey_pictures_are_taken(pictures):
    with_alpha = torch.cat([pictures, torch.rand(3, 33, 47, 1)], -1)
    assert measure(with_alpha, pictures)["psnr"] == 100
    grey = measure(pictures[..., :1])
    assert grey["colorfulness"] == 0
    assert "commonest colours |  |" in grey["report"]


def test_half_precision_is_measured_as_8_bits_hold_it(pictures):
    assert measure(pictures.half(), pictures)["psnr"] == 100


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        (torch.rand(3, 33, 48, 3), "image is 47x33, reference 48x33"),
        (torch.rand(2, 33, 47, 3), "equally many"),
        (torch.rand(33, 47, 3), "reference must be pictures"),
        (torch.full((3, 33, 47, 3), float("nan")), "the original holds NaN"),
    ],
)
def test_references_that_do_not_fit_are_refused(pictures, reference, words):
    with pytest.raises(ValueError, match=words):
        measure(pictures, reference)


def test_cancel_stops_it(pictures, monkeypatch):
    import comfy.model_management as management

    monkeypatch.setattr(management, "interrupted", True)
    with pytest.raises(management.InterruptProcessingException):
        measure(pictures)

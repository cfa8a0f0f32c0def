"""Many files: bad ones stop no others, finished ones are passed over, nothing is half written."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from chrominance.color import rgb_to_lightness
from chrominance.models.contract import Chroma, Colorizer, ModelSpec
from chrominance.models.errors import NonFiniteError
from chrominance.pipelines.batch import FolderError, pass_over, prepare_folder, run_jobs
from chrominance.pipelines.colorize import ColorizeSettings
from chrominance.pipelines.jobs import Job, plan_jobs
from chrominance.pipelines.pictures import load_picture


class Sepia(Colorizer):
    """One colour for everything."""

    def __init__(self) -> None:
        self.spec = ModelSpec("sepia", "Sepia", "", "", "", size=16, multiple=1)
        self.network = torch.nn.Linear(1, 1)
        self.calls = 0

    def _colorize(self, L, conditions, *, size, temperature) -> Chroma:
        self.calls += 1
        ab = torch.tensor([12.0, 25.0]).reshape(1, 2, 1, 1).expand(len(L), 2, 4, 4)
        return Chroma(ab, torch.ones(len(L), 1, 4, 4))


def picture(path: Path, size: tuple[int, int] = (20, 12), mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(7).integers(0, 256, (*size[::-1], 4)).astype(np.uint8)
    Image.fromarray(values).convert(mode).save(path)
    return path


def run(jobs, colorizer=None, settings=None, **options):
    return list(run_jobs(jobs, colorizer or Sepia(), settings or ColorizeSettings(), **options))


def lightness(path: Path) -> torch.Tensor:
    return rgb_to_lightness(load_picture(path).rgb)


def test_pictures_come_back_coloured_with_their_lightness_and_alpha(tmp_path) -> None:
    jobs = []
    for name, size, mode in (
        ("a.png", (33, 17), "L"),
        ("b.png", (1, 1), "L"),
        ("c.tif", (64, 40), "RGBA"),
        ("d.webp", (64, 40), "RGBA"),
        ("e.bmp", (30, 30), "RGB"),
    ):
        source = picture(tmp_path / "in" / name, size, mode)
        jobs.append(Job(source, tmp_path / "out" / "sub" / name, "picture"))
    assert [outcome.status for outcome in run(jobs)] == ["done"] * 5
    for job in jobs:
        before, after = load_picture(job.source), load_picture(job.target)
        assert before.rgb.shape == after.rgb.shape
        # Rounding three channels to 8 bits moves L by at most half a step's worth: 0.25 near black.
        assert (lightness(job.source) - lightness(job.target)).abs().max() < 0.3
        if before.alpha is not None:
            assert after.alpha is not None and torch.equal(before.alpha, after.alpha)
    assert (load_picture(jobs[0].target).rgb.std(dim=0) > 0.02).any()


def test_bad_files_stop_no_others(tmp_path) -> None:
    good = [picture(tmp_path / f"{n}.png") for n in "ac"]
    bad = tmp_path / "b.png"
    bad.write_text("not a picture")
    alpha = picture(tmp_path / "d.png", mode="RGBA")
    film = tmp_path / "e.mp4"
    film.write_bytes(b"not a film")
    jobs = [
        Job(good[0], tmp_path / "out" / "a.png", "picture"),
        Job(bad, tmp_path / "out" / "b.png", "picture"),
        Job(good[1], tmp_path / "out" / "c.png", "picture"),
        Job(alpha, tmp_path / "out" / "d.jpg", "picture"),
        Job(film, tmp_path / "out" / "e.mp4", "clip"),
    ]
    colorizer = Sepia()
    outcomes = run(jobs, colorizer)
    assert [outcome.job for outcome in outcomes] == jobs
    assert [outcome.status for outcome in outcomes] == ["done", "failed", "done", "failed", "failed"]
    for outcome in outcomes:
        if outcome.status == "failed":
            assert "\n" not in outcome.message
            assert str(outcome.job.source) in outcome.message or str(outcome.job.target) in outcome.message
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "c.png"]
    assert colorizer.calls == 2


def test_too_little_memory_is_said(tmp_path) -> None:
    class Greedy(Sepia):
        def _colorize(self, L, conditions, *, size, temperature) -> Chroma:
            raise RuntimeError("CUDA out of memory. Tried to allocate 20 GiB\nand more lines")

    job = Job(picture(tmp_path / "a.png"), tmp_path / "out.png", "picture")
    (outcome,) = run([job], Greedy())
    assert outcome.status == "failed" and "not enough memory" in outcome.message
    assert not job.target.exists()


def test_damaged_weights_stop_everything(tmp_path) -> None:
    class Damaged(Sepia):
        def _colorize(self, L, conditions, *, size, temperature) -> Chroma:
            raise NonFiniteError("NaN in the weights")

    job = Job(picture(tmp_path / "a.png"), tmp_path / "out.png", "picture")
    with pytest.raises(NonFiniteError):
        run([job, job], Damaged())


def test_an_interrupt_keeps_what_is_done(tmp_path) -> None:
    class Interrupted(Sepia):
        def _colorize(self, L, conditions, *, size, temperature) -> Chroma:
            if self.calls == 1:
                raise KeyboardInterrupt
            return super()._colorize(L, conditions, size=size, temperature=temperature)

    source = picture(tmp_path / "a.png")
    jobs = [Job(source, tmp_path / "out" / f"{n}.png", "picture") for n in range(3)]
    with pytest.raises(KeyboardInterrupt):
        run(jobs, Interrupted())
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["0.png"]
    assert load_picture(tmp_path / "out" / "0.png").rgb.shape == (3, 12, 20)


def test_a_folder_of_frames_as_a_clip(tmp_path) -> None:
    for n in (1, 2, 10):
        picture(tmp_path / "in" / f"f{n}.png")
    seen: list = []

    def progress(job: Job, frames: int | None):
        seen.append(frames)
        return seen.append

    plan = plan_jobs([str(tmp_path / "in")], tmp_path / "out", clip=True)
    (outcome,) = run(plan.jobs, batch=2, rate=12, clip_progress=progress)
    assert outcome.status == "done"
    frames = sorted((tmp_path / "out").iterdir())
    assert len(frames) == 3
    assert seen[0] == 3 and sum(seen[1:]) == 3
    for before, after in zip(("f1", "f2", "f10"), frames, strict=True):
        assert (lightness(tmp_path / "in" / f"{before}.png") - lightness(after)).abs().max() < 0.3


def test_finished_results_are_passed_over(tmp_path) -> None:
    source = picture(tmp_path / "a.png")
    fresh, stale, new = (Job(source, tmp_path / f"{n}.png", "picture") for n in ("fresh", "stale", "new"))
    when = source.stat().st_mtime
    for job, age in ((fresh, 0), (stale, -10)):
        job.target.write_bytes(b"something")
        os.utime(job.target, (when + age, when + age))
    todo, settled = pass_over([fresh, stale, new], overwrite=False)
    assert todo == [new]
    assert [outcome.status for outcome in settled] == ["skipped", "failed"]
    assert "--overwrite" in settled[1].message
    assert pass_over([fresh, stale, new], overwrite=True) == ([fresh, stale, new], [])


def test_frames_are_as_new_as_their_newest(tmp_path) -> None:
    frame = picture(tmp_path / "in" / "1.png")
    done = picture(tmp_path / "out" / "000000.png")
    (tmp_path / "empty").mkdir()
    job = Job(frame.parent, done.parent, "clip")
    os.utime(frame, (1000, 1000))
    assert pass_over([job], overwrite=False)[1][0].status == "skipped"
    os.utime(done, (900, 900))
    assert pass_over([job], overwrite=False)[1][0].status == "failed"
    assert pass_over([Job(frame.parent, tmp_path / "empty", "clip")], overwrite=False)[1] == []


def test_a_folder_that_cannot_be_written_into(tmp_path) -> None:
    prepare_folder(tmp_path / "new" / "deep")
    assert list((tmp_path / "new" / "deep").iterdir()) == []
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(FolderError, match="cannot be written into"):
            prepare_folder(folder)

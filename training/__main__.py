"""Training from the command line: ``python -m chrominance.training NAME --data PHOTOS…``, or ``plot``."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from ..models import shipped_weights
from ..models.color2embed.network import Color2Embed
from ..models.colorhouse import illumination, palette_extractor
from ..models.colorhouse.illumination import IlluminationPredictor
from ..models.colorhouse.palette_extractor import PaletteExtractor
from ..pipelines.photo_set import PhotoSet, read_categories
from . import colorhouse
from .adversarial import AdversarialTrainer
from .averaging import mean_of
from .color2embed import color2embed_loss
from .embedded import EmbeddedTrainer, Places, Recipe, save_tensors
from .he2018 import ALPHA, ExemplarTrainer, perceptual_distance
from .illumination import illumination_loss
from .palette_extractor import palette_loss
from .palettes import PaletteTrainer
from .perceptual import PerceptualDistance
from .photo_statistics import measure_prior
from .photos import draw_photos
from .plot import plot_log
from .rebalance import favour_rare_bins
from .review import Review
from .small import Loss, SmallRecipe, SmallTrainer
from .thumbnails import SIDE, draw_batch, load_thumbnails

#: What of ColorHouse is trained, in this order.
STAGES: dict[str, Loss] = {
    "exemplar": colorhouse.exemplar_loss,
    "palette": colorhouse.palette_loss,
    "both": colorhouse.both_loss,
}
STAGES_HELP = "the generator by exemplars, then palettes and lights into its space, then both together"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m chrominance.training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    p = commands.add_parser("embedded", help="train the network that ships with the package")
    p.add_argument(
        "--data", nargs="+", required=True, type=Path, help="tars or folders of colour photos and of clips"
    )
    p.add_argument("--validate", nargs="+", type=Path, help="tars or folders of photos never trained on")
    p.add_argument(
        "--categories",
        type=Path,
        help="CSV with the columns file and category: references come from one's own",
    )
    p.add_argument(
        "--state",
        required=True,
        type=Path,
        help="folder for checkpoints, log and sample sheets (not in the repository)",
    )
    p.add_argument(
        "--resume", action="store_true", help="go on from the state, or from --from where it is lost"
    )
    p.add_argument("--from", dest="start", help="begin with these weights: shipped, or a safetensors file")
    p.add_argument("--hours", type=float, help="stop (and save) after this long")
    p.add_argument("--minutes", type=float, default=10.0, help="between checkpoints (default %(default)s)")
    p.add_argument("--threads", type=int, help="processor threads of the network")
    for item in fields(Recipe):
        kind = type(item.default)
        flag = "--" + item.name.replace("_", "-")
        p.add_argument(flag, type=kind, default=item.default, help=f"default {item.default}")
    p.add_argument(
        "--adversarial",
        type=float,
        default=0.0,
        help="weight of a discriminator's judgement beside the classification: more vivid (default none)",
    )
    p.add_argument(
        "--exemplars",
        type=float,
        default=0.0,
        metavar="ALPHA",
        help="tell the network what is matched in references: weight of how the result looks "
        f"({ALPHA} with a VGG19, 2 without; default: no such training)",
    )
    p.add_argument(
        "--perceptual", type=Path, help="a VGG19 that judges the look (default: the pretrained encoder)"
    )
    p.add_argument(
        "--palettes",
        type=float,
        default=0.0,
        help="weight of the distance from palettes of other photos, which half the batches are given then "
        "(4 as a start; default none)",
    )
    p.set_defaults(run=train_embedded)
    for name, what in (
        ("illumination", "train the predictor of a picture's light"),
        ("palette_extractor", "train the extractor of five colours"),
        ("colorhouse", "train ColorHouse's generator, which gives pictures other colours"),
        ("color2embed", "train Color2Embed's published architecture, which colours after a reference"),
    ):
        p = commands.add_parser(name, help=what)
        p.add_argument("--data", nargs="+", required=True, type=Path, help="tars or folders of colour photos")
        p.add_argument("--state", required=True, type=Path, help="folder for checkpoints and log")
        p.add_argument(
            "--resume", action="store_true", help="go on from the state, or from what ships where it is lost"
        )
        p.add_argument("--hours", type=float, help="stop (and save) after this long")
        p.add_argument("--threads", type=int, help="processor threads")
        for item in fields(SmallRecipe):
            flag = "--" + item.name.replace("_", "-")
            p.add_argument(
                flag, type=type(item.default), default=item.default, help=f"default {item.default}"
            )
        if name == "colorhouse":
            p.add_argument("--stage", choices=sorted(STAGES), default="exemplar", help=STAGES_HELP)
            p.add_argument("--from", dest="start", type=Path, help="begin with these weights")
        if name == "color2embed":
            p.add_argument("--perceptual", type=Path, help="a VGG19, for the distance of what pictures show")
        if name in ("colorhouse", "color2embed"):
            p.add_argument("--size", type=int, default=64, help="side of the pictures (default %(default)s)")
        p.set_defaults(run=train_small, network=name)
    p = commands.add_parser("rebalance", help="favour rare colours in a trained network, or common ones")
    p.add_argument(
        "--data", nargs="+", required=True, type=Path, help="the photos of its training, for their colours"
    )
    p.add_argument("--from", dest="start", default="shipped", help="weights: shipped, or a safetensors file")
    p.add_argument(
        "--strength",
        type=float,
        required=True,
        help="power of the weights; below 0 for common ones",
    )
    p.add_argument("--seed", type=int, default=0, help="of the photos looked at")
    p.add_argument("-o", "--output", type=Path, required=True, help="safetensors file to write")
    p.set_defaults(run=rebalance)
    p = commands.add_parser("average", help="the mean of several weights, one fine-tuned from the other")
    p.add_argument("files", nargs="+", type=Path, help="safetensors files of one network")
    p.add_argument("-o", "--output", type=Path, required=True, help="safetensors file to write")
    p.set_defaults(run=average)
    p = commands.add_parser("plot", help="draw the log of a run")
    p.add_argument("state", type=Path, help="the --state folder of the run")
    p.add_argument("-o", "--output", type=Path, required=True, help="picture to write (.png, .svg, .pdf)")
    p.set_defaults(run=lambda options: plot_log(options.state, options.output))
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    options = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        options.run(options)
    except (OSError, ValueError, FloatingPointError, OverflowError, ImportError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("stopped; the last checkpoint is kept\n")
        return 130
    return 0


def train_embedded(options: argparse.Namespace) -> None:
    """Do ``training embedded``."""
    if options.threads:
        torch.set_num_threads(options.threads)
    recipe = Recipe(**{item.name: getattr(options, item.name) for item in fields(Recipe)})
    categories = read_categories(options.categories) if options.categories else None
    photos = PhotoSet(options.data, categories=categories)
    dropped = photos.drop_unusable()
    logging.info("%d photos, %d more left out as broken or grey", len(photos), dropped)
    review = Review(PhotoSet(options.validate), options.state) if options.validate else None
    places = Places(options.state, options.minutes, review)
    if sum(map(bool, (options.adversarial, options.exemplars, options.palettes))) > 1:
        raise ValueError(
            "--adversarial, --exemplars and --palettes are three recipes: choose one, then the next"
        )
    if options.exemplars:
        judge = perceptual_distance(options.perceptual, recipe.device)
        trainer = ExemplarTrainer(photos, recipe, places, judge, options.exemplars)
    elif options.adversarial:
        trainer = AdversarialTrainer(photos, recipe, places, options.adversarial)
    elif options.palettes:
        trainer = PaletteTrainer(photos, recipe, places, options.palettes)
    else:
        trainer = EmbeddedTrainer(photos, recipe, places)
    checkpoint = options.state / "state.pt"
    if options.resume and checkpoint.is_file():
        trainer.resume(checkpoint)
        logging.info("resumed at %d samples", trainer.samples)
    elif options.resume or options.start:
        path = _start(options.start or "shipped")
        if recipe.parts == "conditions":
            # The last bias stays, and with it how far rare colours were favoured.
            places.extra |= {k: v for k, v in _metadata(path).items() if k == "rebalanced"}
        trainer.start_from(load_file(path))
        logging.info("started from %s", path)
    elif checkpoint.exists():
        raise FileExistsError(f"{checkpoint} is there: add --resume to go on, or name another --state")
    else:
        trainer.start_fresh()
    trainer.run(None if options.hours is None else options.hours * 3600)


def rebalance(options: argparse.Namespace) -> None:
    """Do ``training rebalance``."""
    path = _start(options.start)
    metadata = _metadata(path)
    tensors = load_file(path)
    if "head.bias" not in tensors:
        raise ValueError(f"{path} holds no embedded network: give one that training embedded wrote")
    favour_rare_bins(tensors, measure_prior(PhotoSet(options.data), options.seed), options.strength)
    before = float(metadata.get("rebalanced", 0))
    save_tensors(tensors, options.output, {**metadata, "rebalanced": f"{before + options.strength:g}"})
    logging.info("wrote %s", options.output)


def average(options: argparse.Namespace) -> None:
    """Do ``training average``."""
    metadata = _metadata(options.files[0])
    made = mean_of([load_file(path) for path in options.files])
    save_tensors(made, options.output, {**metadata, "averaged": str(len(options.files))})
    logging.info("wrote %s", options.output)


def train_small(options: argparse.Namespace) -> None:
    """Do ``training illumination`` and ``training palette_extractor``."""
    networks: dict[str, tuple[Callable[[], nn.Module], Loss, int]] = {
        "illumination": (IlluminationPredictor, illumination_loss, illumination.SIZE),
        "palette_extractor": (PaletteExtractor, palette_loss, palette_extractor.SIZE),
        "colorhouse": (colorhouse.build_network, STAGES[getattr(options, "stage", "both")], colorhouse.SIZE),
        "color2embed": (Color2Embed, color2embed_loss(_perceptual(options)), colorhouse.SIZE),
    }
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    recipe = SmallRecipe(**{item.name: getattr(options, item.name) for item in fields(SmallRecipe)})
    build, loss, size = networks[options.network]
    size = getattr(options, "size", size)
    network = build()
    if getattr(options, "stage", None) == "palette":
        # The generator and its space of colours stay: what is learned is the way into it.
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(name.startswith("palette."))
    trainer = SmallTrainer(options.network, network, loss, size, recipe, options.state)
    if options.resume and (options.state / "state.pt").is_file():
        trainer.resume()
        logging.info("resumed at %d samples", trainer.samples)
    elif getattr(options, "start", None):
        trainer.start_from(load_file(options.start))
        logging.info("started from %s", options.start)
    elif options.resume:
        trainer.start_from(load_file(shipped_weights(options.network)))
        logging.info("started from the shipped weights")
    elif (options.state / "state.pt").exists():
        raise FileExistsError(f"{options.state / 'state.pt'} is there: add --resume, or name another --state")
    photos = PhotoSet(options.data)
    photos.drop_unusable()
    logging.info("%d photos", len(photos))
    # Small pictures are kept in memory; larger ones are cut from the photos each time.
    draw = partial(draw_batch, load_thumbnails(photos)) if size <= SIDE else partial(draw_photos, photos)
    trainer.run(draw, None if options.hours is None else options.hours * 3600)


def _start(name: str) -> Path:
    """Return the weights that --from names: those of the embedded network that ship, or a file."""
    return shipped_weights("embedded") if name == "shipped" else Path(name)


def _metadata(path: Path) -> dict[str, str]:
    with safe_open(path, "pt") as file:
        return dict(file.metadata() or {})


def _perceptual(options: argparse.Namespace) -> PerceptualDistance | None:
    path = getattr(options, "perceptual", None)
    return None if path is None else PerceptualDistance(path)


if __name__ == "__main__":
    raise SystemExit(main())

"""Finding, in a folder of colour pictures, those whose colours suit a black-and-white one.

Paper: He et al., "Deep Exemplar-based Colorization", SIGGRAPH 2018, section 5: the whole picture's feature
chooses candidates; then each place of the target finds its best match in each candidate, and what they have
in common counts, with the correlation of their luminance histograms at a quarter of the weight.
Reference source: none. Code licence: Apache-2.0.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from ..models.features import FeatureExtractor
from .pictures import READABLE
from .retrieval_features import (
    LEVELS,
    PLACES,
    SIDE,
    Basis,
    Description,
    describe,
    probe,
)
from .retrieval_file import (
    INDEX_NAME,
    IndexData,
    RetrievalError,
    Rows,
    Skipped,
    Stamp,
    check_replaceable,
    check_writable,
    read_index,
    with_rows,
    write_index,
)
from .retrieval_folder import COLORLESS, Changes, folder_pictures, load_references
from .small_pictures import small_square

__all__ = ["Changes", "Found", "ReferenceIndex", "RetrievalError", "found_to_json"]

#: How much each part counts: the whole picture's feature, the places' features, their luminance.
WEIGHTS = (1.0, 1.0, 0.25)
#: How many pictures the first step leaves for the second.
CANDIDATES = 200
#: From this many pictures on the basis is final; before, it is fitted anew to all of them at each update.
FIT_COUNT = 1000
#: The index is saved after so many files, for whoever interrupts.
SAVE_EVERY = 500
#: Pictures that go through the network together.
_BATCH = 16


@dataclass(frozen=True)
class Found:
    """A reference, with how well it suits: 1 at best.

    ``overall``: cosine of the whole pictures' features; ``places``: mean cosine of each place and its best
    match; ``lightness``: mean correlation of their luminance histograms.
    """

    path: Path
    score: float
    overall: float
    places: float
    lightness: float


class ReferenceIndex:
    """The colour pictures of a folder and below, described once, saved in ``file``."""

    def __init__(self, folder: str | Path, file: str | Path | None = None) -> None:
        """Make an empty index. ``file``: by default one in the folder; it ends in .safetensors.

        Raises RetrievalError where there is no such folder, or ``file`` is something else.
        """
        self.folder = Path(folder).expanduser()
        if not self.folder.is_dir():
            kind = "a file, not a folder" if self.folder.exists() else "no such folder"
            raise RetrievalError(f"{self.folder}: {kind}: give a folder of colour pictures")
        self.file = self.folder / INDEX_NAME if file is None else Path(file).expanduser()
        if self.file.suffix != ".safetensors":
            raise RetrievalError(f"{self.file}: an index ends in .safetensors: choose such a name")
        check_replaceable(self.file)
        self._data: IndexData | None = None
        self._overall: Tensor | None = None
        self._asked_by: FeatureExtractor | None = None

    @classmethod
    def load(cls, folder: str | Path, file: str | Path | None = None) -> ReferenceIndex:
        """Read the index of a folder and check it; raises RetrievalError with the next step."""
        index = cls(folder, file)
        index._data = read_index(index.file, index.folder)
        return index

    @classmethod
    def open(cls, folder: str | Path, file: str | Path | None = None) -> ReferenceIndex:
        """Read the index of a folder as ``load`` does, or make an empty one where there is no such file."""
        index = cls(folder, file)
        if index.file.exists():
            index._data = read_index(index.file, index.folder)
        return index

    def __len__(self) -> int:
        return 0 if self._data is None else len(self._data.rows.names)

    @property
    def names(self) -> tuple[str, ...]:
        """The references, sorted, relative to the folder, with / between."""
        return () if self._data is None else self._data.rows.names

    @property
    def skipped(self) -> dict[str, str]:
        """The files that are no references, and why."""
        return {} if self._data is None else {name: it.reason for name, it in self._data.skipped.items()}

    def __str__(self) -> str:
        grey = sum(reason == COLORLESS for reason in self.skipped.values())
        broken = len(self.skipped) - grey
        parts = ((len(self), "references"), (grey, "without colours"), (broken, "unreadable"))
        return ", ".join(f"{count} {what}" for count, what in parts if count or what == "references")

    def changes(self) -> Changes:
        """Compare the folder with the index by names, sizes and times of change: nothing is opened."""
        there = dict(folder_pictures(self.folder))
        known: dict[str, Stamp] = {}
        if self._data is not None:
            known = dict(zip(self._data.rows.names, self._data.rows.stamps, strict=True))
            known |= {name: it.stamp for name, it in self._data.skipped.items()}
        return Changes(
            {name: stamp for name, stamp in there.items() if name not in known},
            {name: stamp for name, stamp in there.items() if known.get(name, stamp) != stamp},
            tuple(name for name in known if name not in there),
        )

    def update(
        self,
        extractor: FeatureExtractor,
        changes: Changes | None = None,
        *,
        progress: Callable[[int], object] | None = None,
    ) -> None:
        """Bring the index up to date and save it, where anything has changed.

        ``progress`` takes the number of files read since its last call; what it raises stops the work, and
        what is done by then is kept. A file that cannot be read or has no colours is skipped, with a warning
        in the log, and not read again until it changes. Raises RetrievalError where the index is of another
        network or cannot be written.
        """
        mark = probe(extractor)
        if self._data is not None:
            self._data.check_extractor(extractor.name, mark, self.file, self.folder)
        changes = self.changes() if changes is None else changes
        if not changes:
            return
        check_writable(self.file)
        if self._data is None:
            self._data = _empty(extractor.name, mark)
        self.forget({*changes.gone, *changes.changed})
        to_read = iter(changes.to_read.items())
        if not changes.new and not changes.changed:
            self.save()
        while block := dict(islice(to_read, SAVE_EVERY)):
            self._read(block, extractor, progress or (lambda done: None))

    def save(self) -> None:
        """Write the index to its file; raises RetrievalError where that cannot be done."""
        if self._data is not None:
            write_index(self.file, self.folder, self._data)

    def forget(self, names: Collection[str]) -> None:
        """Take pictures out, here and not in the file."""
        if self._data is None or not names:
            return
        kept = [i for i, name in enumerate(self._data.rows.names) if name not in names]
        for name in names:
            self._data.skipped.pop(name, None)
        self._set(self._data.rows.take(kept))

    def find(self, rgb: Tensor, extractor: FeatureExtractor, count: int = 5) -> list[Found]:
        """Return the ``count`` best references for a picture, rgb [1,3,H,W] 0..1, the best first.

        Only its lightness is looked at. Raises RetrievalError where there is nothing to find, or the index is
        of another network.
        """
        if rgb.ndim != 4 or rgb.shape[:2] != (1, 3) or 0 in rgb.shape:
            raise ValueError(f"a picture must be [1,3,H,W] with no empty side, got {list(rgb.shape)}")
        if not bool(torch.isfinite(rgb).all()):
            raise ValueError("the picture holds NaN or infinite values: repair it first")
        if self._data is not None and extractor is not self._asked_by:
            self._data.check_extractor(extractor.name, probe(extractor), self.file, self.folder)
            self._asked_by = extractor  # the probe takes a fifth of the time
        return self.search(describe(small_square(rgb, SIDE), extractor), count)

    def search(self, target: Description, count: int = 5) -> list[Found]:
        """Do what ``find`` does for a picture that is described already."""
        if count < 1:
            raise ValueError(f"count must be at least 1, got {count}")
        self.check_any()
        assert self._data is not None
        rows = self._data.rows
        overall, places = self._data.basis.compress(target.features)
        if self._overall is None:
            self._overall = rows.overall.float()
        alike = self._overall @ overall[0]
        chosen = alike.topk(min(len(self), max(CANDIDATES, count))).indices
        similarity, lightness = _match(
            places[0], target.lightness[0], rows.places[chosen].float(), rows.lightness[chosen].float()
        )
        parts = torch.stack([alike[chosen], similarity, lightness], 1)
        scores = parts @ torch.tensor(WEIGHTS) / sum(WEIGHTS)
        # Equal scores, as of copies, in the order of names.
        best = sorted(range(len(chosen)), key=lambda i: (-float(scores[i]), int(chosen[i])))[:count]
        return [
            Found(self.folder / rows.names[int(chosen[i])], float(scores[i]), *parts[i].tolist())
            for i in best
        ]

    def check_any(self) -> None:
        """Raise RetrievalError, saying why, where there is no reference to find."""
        if len(self):
            return
        skipped = self.skipped
        if not skipped:
            raise RetrievalError(
                f"{self.folder}: no pictures are indexed: put colour pictures there ({', '.join(READABLE)})"
            )
        name, reason = next(iter(skipped.items()))
        raise RetrievalError(
            f"{self.folder}: none of {len(skipped)} pictures can be a reference, such as {name}: {reason}. "
            "Put colour pictures there"
        )

    def _set(self, rows: Rows) -> None:
        """Take ``rows`` for all there is, sorted by name, under a basis fitted to them until it is final."""
        assert self._data is not None
        rows = rows.take(sorted(range(len(rows.names)), key=lambda i: rows.names[i]))
        basis = self._data.basis
        if rows.features is not None:
            basis = Basis.fit(rows.features)
            compressed = [basis.compress(part) for part in rows.features.split(256)]
            overall, places = (torch.cat(parts).half() for parts in zip(*compressed, strict=True))
            kept = None if len(rows.names) >= FIT_COUNT else rows.features
            rows = Rows(rows.names, rows.stamps, overall, places, rows.lightness, kept)
        self._data, self._overall = with_rows(self._data, rows, basis), None

    def _read(
        self, block: dict[str, Stamp], extractor: FeatureExtractor, progress: Callable[[int], object]
    ) -> None:
        """Read some files and add them; what is read before an interrupt is added and saved too."""
        assert self._data is not None
        skipped = self._data.skipped
        new = [self._data.rows]

        def skip(name: str, reason: str) -> None:
            skipped[name] = Skipped(block[name], reason)

        try:
            batches = load_references(self.folder, block, progress, skip, batch=_BATCH)
            with closing(batches):
                for names, rgb in batches:
                    described = describe(rgb, extractor)
                    new.append(self._row(names, [block[name] for name in names], described))
        finally:
            self._set(_join(new))
            self.save()

    def _row(self, names: Sequence[str], stamps: Sequence[Stamp], described: Description) -> Rows:
        assert self._data is not None
        overall, places = self._data.basis.compress(described.features)
        raw = self._data.rows.features is not None
        return Rows(
            tuple(names),
            tuple(stamps),
            overall.half(),
            places.half(),
            described.lightness.half(),
            described.features.half() if raw else None,
        )


def found_to_json(found: Sequence[Found]) -> list[dict[str, str | float]]:
    """Return references as JSON holds them, scores to four digits."""
    return [
        {"path": str(one.path)}
        | {name: round(getattr(one, name), 4) for name in ("score", "overall", "places", "lightness")}
        for one in found
    ]


def _match(
    target: Tensor, target_lightness: Tensor, places: Tensor, lightness: Tensor
) -> tuple[Tensor, Tensor]:
    """Let each place of the target find its best match in each of N candidates.

    ``target`` [49,K] and ``places`` [N,49,K] of length 1; histograms likewise. Returns the mean over the
    target's places of similarity, and of the correlation of luminance at the matches: both [N].
    """
    count = len(places)
    similarity = (places.flatten(0, 1) @ target.T).view(count, PLACES, PLACES)  # [N, theirs, ours]
    best, where = similarity.max(1)
    matched = lightness.gather(1, where[..., None].expand(-1, -1, LEVELS))
    return best.mean(1), (matched * target_lightness).sum(2).mean(1)


def _empty(extractor: str, mark: Tensor) -> IndexData:
    channels = len(mark)
    features = torch.zeros(0, PLACES, channels, dtype=torch.float16)
    basis = Basis.fit(features)
    overall, places = basis.compress(features)
    lightness = torch.zeros(0, PLACES, LEVELS, dtype=torch.float16)
    rows = Rows((), (), overall.half(), places.half(), lightness, features)
    return IndexData(extractor, mark, basis, rows)


def _join(parts: Sequence[Rows]) -> Rows:
    features = [part.features for part in parts]
    return Rows(
        tuple(name for part in parts for name in part.names),
        tuple(stamp for part in parts for stamp in part.stamps),
        torch.cat([part.overall for part in parts]),
        torch.cat([part.places for part in parts]),
        torch.cat([part.lightness for part in parts]),
        torch.cat([it for it in features if it is not None]) if features[0] is not None else None,
    )

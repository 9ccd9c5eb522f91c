"""Pictures: from files to vectors, beside what the decoder and the encoder do alone, and beside open_clip by hand.

The peer is what one would write by hand: ``model.encode_image`` over batches of ``preprocess(Image.open(file))``, in one
thread. All ways take the same files, model and threads of torch in turns. The model and the photos are not part of the
repository; any encoder of pictures can be named in the place of the small one.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import common
from common import Options, Table

if TYPE_CHECKING:
    from nearclass.pictures.load import PictureLoader

SETS = ("images_grocery", "products_fashion_myntra")
ROUNDS = 9
QUICK_PICTURES = 96
BATCH = 32
BUDGET_S = 120.0

WAYS = {
    "files to vectors": "nearclass, read, decoded, prepared and encoded",
    "files to pixels": "nearclass, read, decoded and prepared alone",
    "pixels to vectors": "nearclass, encoded alone, prepared before",
    "peer, files to vectors": "open_clip by hand, one thread for the files",
    "peer, pixels to vectors": "open_clip by hand, its tensors prepared before",
}


def measure(options: Options) -> Iterator[Table]:
    """One table: for each set of photos each way, and its rate through the others'."""
    model = options.more.model or f"local-dir:{options.data.parent / 'models' / 'tinyclip'}"
    ways = _Ways(model)
    chosen = [name for name in SETS if (options.data / name).is_dir()]
    if not chosen:
        options.folder(SETS[0])
    rows = [row for name in chosen for row in _rows(ways, options, name)]
    yield Table(
        f"Pictures with {Path(model).name}, the same files in turns",
        ("photos", "n", "way", "pictures/s", "ratio to peer", "part of the slower half", "rounds", "spread"),
        rows,
        [
            f"nearclass runs {ways.encoder.running} with {ways.workers} threads for files; the peer runs {ways.peer_runs}.",
            "The slower half is the decoder or the encoder alone. Where both use the same cores, doing one after the",
            "other is the best there is: the column also says what that would be.",
        ],
    )


class _Ways:
    """Ours and the peer, loaded."""

    def __init__(self, name: str) -> None:
        from nearclass.encoders.image import ImageEncoder
        from nearclass.encoders.image_model import describe_image
        from nearclass.encoders.image_resolve import import_open_clip, resolve_image
        from nearclass.errors import EncoderError

        try:
            described = describe_image(resolve_image(name, offline=True))
        except EncoderError as error:
            raise common.SkippedError(f"{error.message}; name an encoder of pictures with --model") from error
        self.encoder = ImageEncoder(described)
        device = self.encoder.running.split()[0]
        source = described.files
        folder = f"local-dir:{source.weights.parent}" if source.origin == "folder" else f"hf-hub:{source.model}"
        self.model, _, self.preprocess = import_open_clip().create_model_and_transforms(folder, device=device)
        self.model.eval()
        self.device = device
        self.peer_runs = f"{device} float32"
        self.workers = max(2, common.usable_cores())

    def files_to_vectors(self, files: Sequence[Path]) -> Any:
        with self._loader() as loader:
            return self.encoder.encode_pictures(self._prepared(loader, files))

    def files_to_pixels(self, files: Sequence[Path]) -> list[Any]:
        with self._loader() as loader:
            return list(self._prepared(loader, files))

    def peer_tensors(self, files: Sequence[Path]) -> Iterator[Any]:
        import torch
        from PIL import Image

        for start in range(0, len(files), BATCH):
            batch = []
            for file in files[start : start + BATCH]:
                with Image.open(file) as picture:
                    batch.append(self.preprocess(picture))
            yield torch.stack(batch)

    def peer_vectors(self, batches: Iterator[Any] | Sequence[Any]) -> Any:
        import numpy as np
        import torch

        with torch.inference_mode():
            found = [self.model.encode_image(one.to(self.device), normalize=True).cpu().numpy() for one in batches]
        return np.concatenate(found)

    def _loader(self) -> "PictureLoader":
        from nearclass.pictures.load import PictureLoader

        return PictureLoader(workers=self.workers)

    def _prepared(self, loader: "PictureLoader", files: Sequence[Path]) -> Iterator[Any]:
        from nearclass.pictures.load import PictureSource

        sources = (PictureSource(one.name, one.parent) for one in files)
        return loader.prepare_all(loader.read_all(sources), self.encoder.prepare)


def _rows(ways: _Ways, options: Options, name: str) -> list[list[common.Cell]]:
    files = _files(options.folder(name), QUICK_PICTURES if options.quick else options.more.n)
    pixels, tensors = ways.files_to_pixels(files), list(ways.peer_tensors(files))
    difference = abs(ways.encoder.encode_pictures(pixels) - ways.peer_vectors(tensors)).max()
    tasks = {
        "files to vectors": partial(ways.files_to_vectors, files),
        "files to pixels": partial(ways.files_to_pixels, files),
        "pixels to vectors": partial(ways.encoder.encode_pictures, pixels),
        "peer, files to vectors": lambda: ways.peer_vectors(ways.peer_tensors(files)),
        "peer, pixels to vectors": partial(ways.peer_vectors, tensors),
    }
    timed = {way: common.timed(task) for way, task in tasks.items()}
    seconds = common.in_turns(timed, 1 if options.quick else ROUNDS, BUDGET_S)
    print(f"{name}: {len(files)} photos, largest difference to the peer's vectors {difference:.1e}", flush=True)
    return [_row(name, len(files), way, seconds) for way in tasks]


def _row(name: str, n: int, way: str, seconds: dict[str, list[float]]) -> list[common.Cell]:
    rates = {one: [n / taken for taken in rounds] for one, rounds in seconds.items()}
    peer = "peer, pixels to vectors" if way.endswith("pixels to vectors") else "peer, files to vectors"
    part = ""
    if way == "files to vectors":
        halves = seconds["files to pixels"], seconds["pixels to vectors"]
        alone = common.median([max(pair) / whole for *pair, whole in zip(*halves, seconds[way], strict=True)])
        after = common.median([max(pair) / sum(pair) for pair in zip(*halves, strict=True)])
        part = f"{alone:.2f} (one after the other: {after:.2f})"
    ratio = common.ratio(rates[way], rates[peer])
    label = f"{way}: {WAYS[way]}"
    return [name, n, label, common.median(rates[way]), ratio, part, len(rates[way]), common.spread(rates[way])]


def _files(folder: Path, n: int) -> list[Path]:
    """The first pictures that the items of the set name, spread over the whole."""
    lines = (folder / "items.jsonl").read_text(encoding="utf-8").splitlines()
    named = [row["image"] for row in map(json.loads, lines) if row.get("image")]
    step = max(1, len(named) // n)
    return [folder / one for one in named[::step][:n]]


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--n", type=int, default=800, help="photos of each set (default 800)")
    parser.add_argument("--model", help="image encoder (default: the small one beside the data)")


if __name__ == "__main__":
    common.main(__doc__, measure, _add)

"""Pictures: from files to stored items, beside what decoder and encoder do alone, and beside open_clip by hand.

The peer is what one would write by hand: ``model.encode_image`` over batches of ``preprocess(Image.open(file))``, in one
thread. All ways take the same files, model and number of threads in turns: first as many threads as there are cores, as
by default, then one fewer, so that a core is left for the files. The model and the photos are not part of the repository;
any encoder of pictures can be named in the place of the small one.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import common
from common import Options, Table
from labelled.meaningless import Meaningless

if TYPE_CHECKING:
    from nearclass.pictures.load import PictureLoader

SETS = ("images_grocery", "products_fashion_myntra")
ROUNDS = 9
QUICK_PICTURES = 96
BATCH = 32
BUDGET_S = 50.0

WAYS = {
    "files to stored items": "nearclass ingest, the same with answers, durable",
    "files to vectors": "nearclass, read, decoded, prepared and encoded",
    "files to pixels": "nearclass, read, decoded and prepared alone",
    "pixels to vectors": "nearclass, encoded alone, prepared before",
    "peer, files to vectors": "open_clip by hand, one thread for the files",
    "peer, pixels to vectors": "open_clip by hand, its tensors prepared before",
}


def measure(options: Options) -> Iterator[Table]:
    """One table for each number of threads: for each set of photos each way, its rate and the most that can be."""
    model = options.more.model or f"local-dir:{options.data.parent / 'models' / 'tinyclip'}"
    chosen = [name for name in SETS if (options.data / name).is_dir()]
    if not chosen:
        options.folder(SETS[0])
    cores = common.usable_cores()
    for threads in dict.fromkeys((cores, max(1, cores - 1))):
        ways = _Ways(model, threads)
        yield Table(
            f"Pictures with {Path(model).name}, the same files in turns, {threads} of {cores} cores for the encoder",
            (
                "photos", "n", "way", "pictures/s", "CPU ms", "ratio to peer", "of its encoder", "bound", "of the bound",
                "of our encoder", "rounds", "spread",
            ),
            [row for name in chosen for row in _rows(ways, options, name)],
            [
                f"nearclass runs {ways.encoder.running} with {ways.workers} threads for files; the peer runs {ways.peer_runs}.",
                "Bound: what the cores allow. Encoder alone and decoder alone each keep their cores busy; together they have",
                "the same cores, so that no more than cores / (threads / encoder + cores / decoder) pictures a second go",
                "through both, and no more than through either. With as many threads as cores that is one after the other.",
                "Of its encoder: of the peer's rate from tensors that were prepared before.",
                "CPU ms: what a picture takes of all cores together, which other work on the machine changes little.",
            ],
        )  # fmt: skip


class _Ways:
    """Ours and the peer, loaded."""

    def __init__(self, name: str, threads: int) -> None:
        from nearclass.encoders.image import ImageEncoder
        from nearclass.encoders.image_model import describe_image
        from nearclass.encoders.image_resolve import import_open_clip, resolve_image
        from nearclass.errors import EncoderError
        from nearclass.settings import Settings

        try:
            described = describe_image(resolve_image(name, offline=True))
        except EncoderError as error:
            raise common.SkippedError(f"{error.message}; name an encoder of pictures with --model") from error
        self.encoder = ImageEncoder(described, precision=Settings().precision, threads=threads)
        device = self.encoder.running.split()[0]
        source = described.files
        folder = f"local-dir:{source.weights.parent}" if source.origin == "folder" else f"hf-hub:{source.model}"
        self.model, _, self.preprocess = import_open_clip().create_model_and_transforms(folder, device=device)
        self.model.eval()
        self.device = device
        self.peer_runs = f"{device} float32"
        self.workers = max(2, common.usable_cores())
        self.threads = threads

    def share_out(self) -> None:
        """Let the peer share each step out over as many threads as we have lanes."""
        import torch

        torch.set_num_threads(self.threads)

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


class _Shop:
    """A catalogue of pictures with the classes of a set, which takes the same photos again and again as new items."""

    def __init__(self, ways: _Ways, folder: Path, scratch: Path) -> None:
        from nearclass import Catalog, Settings
        from nearclass.ingest.sources import open_sources
        from nearclass.ingest.taxonomy import read_classes

        settings = Settings(uri=str(scratch / "images.db"))
        self.catalog = Catalog.open(settings=settings, encoder=Meaningless(), image_encoder=ways.encoder)
        source = next(iter(open_sources([str(folder / "classes.jsonl")])))
        self.catalog.import_classes(read_classes(source.rows()).specs, folder=folder)
        self._made = 0
        self._rejects = scratch / "rejects.jsonl"

    def take(self, files: Sequence[Path]) -> None:
        """Ingest the files as items of ids that are new."""
        from nearclass import Item

        first, self._made = self._made, self._made + len(files)
        items = [Item(f"i{first + n}", image=one.name, folder=str(one.parent)) for n, one in enumerate(files)]
        counts = self.catalog.ingest(items, rejects=self._rejects)
        if counts.ok != len(files):
            message = f"{counts.rejected} of {len(files)} photos were rejected"
            raise RuntimeError(message)


def _rows(ways: _Ways, options: Options, name: str) -> list[list[common.Cell]]:
    folder = options.folder(name)
    files = _files(folder, QUICK_PICTURES if options.quick else options.more.n)
    pixels, tensors = ways.files_to_pixels(files), list(ways.peer_tensors(files))
    difference = abs(ways.encoder.encode_pictures(pixels) - ways.peer_vectors(tensors)).max()
    with common.scratch() as scratch:
        shop = _Shop(ways, folder, scratch)
        ways.share_out()  # opening may have set another number
        tasks = {
            "files to stored items": partial(shop.take, files),
            "files to vectors": partial(ways.files_to_vectors, files),
            "files to pixels": partial(ways.files_to_pixels, files),
            "pixels to vectors": partial(ways.encoder.encode_pictures, pixels),
            "peer, files to vectors": lambda: ways.peer_vectors(ways.peer_tensors(files)),
            "peer, pixels to vectors": partial(ways.peer_vectors, tensors),
        }
        cpu: dict[str, list[float]] = {way: [] for way in tasks}
        timed = {way: _counted(common.timed(task), cpu[way]) for way, task in tasks.items()}
        seconds = common.in_turns(timed, 1 if options.quick else ROUNDS, BUDGET_S)
        shop.catalog.close()
    print(f"{name}: {len(files)} photos, largest difference to the peer's vectors {difference:.1e}", flush=True)
    return [_row(name, len(files), way, seconds, 1000 * common.median(cpu[way]), ways.threads) for way in tasks]


def _counted(task: Callable[[], float], cpu: list[float]) -> Callable[[], float]:
    """The same task, whose seconds of CPU time are noted too."""

    def counted() -> float:
        before = time.process_time()
        seconds = task()
        cpu.append(time.process_time() - before)
        return seconds

    return counted


def _row(
    name: str, n: int, way: str, seconds: dict[str, list[float]], cpu_ms: float, threads: int
) -> list[common.Cell]:
    rates = {one: [n / taken for taken in rounds] for one, rounds in seconds.items()}
    peer = "peer, pixels to vectors" if way.endswith("pixels to vectors") else "peer, files to vectors"
    bound: list[common.Cell] = [None, None, None]
    if way.startswith("files to") and way != "files to pixels":
        alone = rates["files to pixels"], rates["pixels to vectors"]
        most = [_bound(decoder, encoder, threads) for decoder, encoder in zip(*alone, strict=True)]
        bound = [common.median(most), common.ratio(rates[way], most), common.ratio(rates[way], alone[1])]
    ratios = common.ratio(rates[way], rates[peer]), common.ratio(rates[way], rates["peer, pixels to vectors"])
    label = f"{way}: {WAYS[way]}"
    figures = common.median(rates[way]), round(cpu_ms / n, 2), *ratios
    return [name, n, label, *figures, *bound, len(rates[way]), common.spread(rates[way])]


def _bound(decoder: float, encoder: float, threads: int) -> float:
    """Pictures a second that can go through both, where either alone has these rates."""
    cores = common.usable_cores()
    return min(decoder, encoder, cores / (threads / encoder + cores / decoder))


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

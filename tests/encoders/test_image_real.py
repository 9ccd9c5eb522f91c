"""Small real models, which are not part of the repository."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from nearclass.encoders.image import ImageEncoder
from nearclass.encoders.image_model import describe_image
from nearclass.encoders.image_resolve import resolve_image
from nearclass.pictures.load import PictureLoader, PictureSource
from nearclass.schemas.records import Role

MODELS = Path(__file__).parents[3] / "shared" / "models"

pytestmark = pytest.mark.skipif(not (MODELS / "tinyclip").is_dir(), reason=f"no small real models at {MODELS}")


def encoder(name, **options):
    model = describe_image(resolve_image(f"local-dir:{MODELS / name}", offline=True))
    return ImageEncoder(model, device="cpu", threads=1, **options)


@pytest.fixture(scope="module")
def photos(shared_data):
    """Every twelfth photo of supermarket goods, with its class, and the names of the classes."""
    folder = shared_data / "images_grocery"
    rows = [json.loads(line) for line in (folder / "items.jsonl").read_text(encoding="utf-8").splitlines()]
    chosen = [row for row in rows if row["split"] == "val"][::6]
    classes = [json.loads(line) for line in (folder / "classes.jsonl").read_text(encoding="utf-8").splitlines()]
    names = {one["id"]: one["name"] for one in classes if one.get("label")}
    return folder, [(row["image"], row["label"]) for row in chosen], names


def loaded(folder, rows, prepare):
    with PictureLoader(workers=2) as loader:
        return list(loader.prepare_all(loader.read_all(PictureSource(name, folder) for name, _ in rows), prepare))


def test_vectors_of_photos_are_those_of_open_clip(photos):
    import open_clip
    from PIL import Image

    folder, rows, _ = photos
    ours = encoder("tinyclip", precision="float32")
    found = ours.encode_pictures(loaded(folder, rows, ours.prepare))
    model, _, prepare = open_clip.create_model_and_transforms(f"local-dir:{MODELS / 'tinyclip'}")
    with torch.inference_mode():
        batch = torch.stack([prepare(Image.open(folder / name)) for name, _ in rows])
        wanted = model.eval().encode_image(batch, normalize=True).numpy()
    assert np.abs(found - wanted).max() < 1e-4


def test_photos_find_the_names_of_their_classes(photos):
    folder, rows, names = photos
    ours = encoder("tinyclip")
    classes = ours.encode(list(names.values()), Role.CLASS).vectors
    found = ours.encode_pictures(loaded(folder, rows, ours.prepare)) @ classes.T
    best = [list(names)[index] for index in found.argmax(axis=1)]
    right = np.mean([one == label for one, (_, label) in zip(best, rows, strict=True)])
    assert right > 0.4  # the model's card has 57 % of 81 classes, where chance is 1 %


def test_two_models_of_one_architecture_are_two_spaces():
    first, second = (encoder(name).space for name in ("tinyclip", "tinyclip_bg"))
    assert first.details["config"] == second.details["config"]
    assert first.fingerprint != second.fingerprint
    assert first.name != second.name

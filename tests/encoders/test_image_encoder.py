"""The image encoder: its vectors are those of open_clip, in order, whatever comes in."""

import json
import logging
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nearclass.encoders import image_loading, precision
from nearclass.encoders.image import ImageEncoder
from nearclass.encoders.image_model import describe_image
from nearclass.encoders.image_resolve import resolve_image
from nearclass.errors import EncoderError
from nearclass.pictures.load import PictureLoader, PictureSource
from nearclass.schemas.records import Role

Made = Callable[..., Path]
TEXTS = ["kettle", "running shoe, red", "caf\u00e9 table", "", "a photo of a {} shoe", "Schraubendreher-Set"]


def encoder_of(folder: Path, *, prompts: tuple[str, ...] | None = None, **options: object) -> ImageEncoder:
    model = describe_image(resolve_image(f"local-dir:{folder}", offline=True), prompts=prompts)
    return ImageEncoder(model, **{"device": "cpu", "precision": "float32", "threads": 1, **options})


def pictures(count: int = 7) -> list[Image.Image]:
    """Noise and gradients of many sizes and shapes."""
    random = np.random.default_rng(7)
    sizes = [(32, 32), (200, 50), (33, 170), (31, 90), (500, 400), (1, 1), (64, 64)]
    return [
        Image.fromarray(random.integers(0, 256, (*sizes[number % 7][::-1], 3), dtype=np.uint8))
        for number in range(count)
    ]


def by_open_clip(folder: Path) -> tuple[object, Callable[[Image.Image], torch.Tensor], Callable[..., torch.Tensor]]:
    import open_clip

    model, _, prepare = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    return model.eval(), prepare, open_clip.get_tokenizer(f"local-dir:{folder}")


@pytest.fixture(scope="module")
def encoder(tiny_clip: Made) -> ImageEncoder:
    return encoder_of(tiny_clip())


@pytest.mark.parametrize("resize_mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("image_size", [32, [32, 48]])
def test_vectors_of_pictures_are_those_of_open_clip(
    resize_mode: str, interpolation: str, image_size: object, tiny_clip: Made
) -> None:
    folder = tiny_clip(
        image_size=image_size, preprocess={"resize_mode": resize_mode, "interpolation": interpolation, "fill_color": 90}
    )
    model, prepare, _ = by_open_clip(folder)
    with torch.inference_mode():
        wanted = torch.stack([model.encode_image(prepare(one)[None], normalize=True)[0] for one in pictures()]).numpy()
    assert np.abs(encoder_of(folder).encode_pictures(pictures()) - wanted).max() < 1e-5


@pytest.mark.parametrize("tokenizer", ["clip", "words"])
def test_vectors_of_texts_are_the_mean_over_the_prompts_as_open_clip_makes_it(tokenizer: str, tiny_clip: Made) -> None:
    import open_clip

    folder = tiny_clip(tokenizer=tokenizer)
    prompts = ("a photo of {}.", "{}", "{} on white")
    model, _, tokenize = by_open_clip(folder)
    templates = [lambda text, prompt=prompt: prompt.replace("{}", text) for prompt in prompts]
    wanted = open_clip.build_zero_shot_classifier(model, tokenize, TEXTS, templates, num_classes_per_batch=2).T.numpy()
    for role in Role:
        found = encoder_of(folder, prompts=prompts).encode(TEXTS, role)
        assert np.abs(found.vectors - wanted).max() < 1e-5


def test_every_vector_is_of_unit_length_and_float32(encoder: ImageEncoder) -> None:
    for vectors in (encoder.encode_pictures(pictures()), encoder.encode(TEXTS, Role.CLASS).vectors):
        assert vectors.dtype == np.float32
        assert vectors.shape[1] == encoder.space.dim == 24
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_nothing_gives_no_vectors(encoder: ImageEncoder) -> None:
    assert encoder.encode_pictures([]).shape == (0, 24)
    assert encoder.encode([], Role.CLASS).vectors.shape == (0, 24)
    assert list(encoder.stream([])) == []


def test_pictures_of_any_mode_and_prepared_ones_may_be_mixed(encoder: ImageEncoder) -> None:
    one = pictures(1)[0]
    alike = [one, one.convert("RGBA"), encoder.prepare(one)]
    found = encoder.encode_pictures(alike)
    assert np.abs(found - found[0]).max() < 1e-6
    assert encoder.prepare(one).shape == (32, 32, 3)
    assert encoder.encode_pictures([Image.new("L", (9, 9), 3), Image.new("1", (9, 9))]).shape == (2, 24)


def test_batches_come_in_order_and_change_nothing(encoder: ImageEncoder) -> None:
    many = [encoder.prepare(one) for one in pictures(75)]
    single = np.concatenate([encoder.encode_pictures([one]) for one in many])
    assert np.abs(encoder.encode_pictures(iter(many)) - single).max() < 1e-5
    assert np.array_equal(encoder.encode_pictures(many), encoder.encode_pictures(many))


@pytest.mark.parametrize("count", [1, 2, 3, 41])
def test_lanes_on_several_cores_give_the_vectors_of_one(count: int, tiny_clip: Made, encoder: ImageEncoder) -> None:
    several = encoder_of(tiny_clip(), threads=3)
    keyed = [(number, None if number == 5 else one) for number, one in enumerate(pictures(count))]
    found, wanted = (list(one.stream(iter(keyed))) for one in (several, encoder))
    assert [key for key, _ in found] == list(range(count))
    for (_, vector), (_, plain) in zip(found, wanted, strict=True):
        assert vector is plain is None or np.abs(vector - plain).max() < 1e-5


def test_what_fails_in_a_lane_is_an_error_of_ours(tiny_clip: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_self, _prepared):
        message = "no memory left"
        raise RuntimeError(message)

    monkeypatch.setattr(image_loading.LoadedImageModel, "encode_pictures", fail)
    several = encoder_of(tiny_clip(), threads=2)
    with pytest.raises(EncoderError, match="no memory left"):
        several.encode_pictures(pictures(9))


def test_a_stream_keeps_keys_and_gives_none_where_there_is_no_picture(encoder: ImageEncoder) -> None:
    many = pictures(70)
    keyed = [(number, None if number in {0, 33, 34, 69} else one) for number, one in enumerate(many)]
    found = list(encoder.stream(iter(keyed)))
    assert [key for key, _ in found] == list(range(70))
    assert [key for key, vector in found if vector is None] == [0, 33, 34, 69]
    wanted = encoder.encode_pictures(many)
    assert all(np.abs(vector - wanted[key]).max() < 1e-5 for key, vector in found if vector is not None)
    assert [vector for _, vector in encoder.stream([(1, None), (2, None)])] == [None, None]


def test_a_stream_takes_no_more_than_a_batch_before_it_gives(encoder: ImageEncoder) -> None:
    taken = []

    def watched():
        for number, one in enumerate(pictures(100)):
            taken.append(number)
            yield number, one

    results = encoder.stream(watched())
    next(results)
    assert len(taken) <= 32


def test_files_go_through_threads_to_vectors_in_order(encoder: ImageEncoder, tmp_path: Path) -> None:
    many = pictures(40)
    for number, one in enumerate(many):
        one.save(tmp_path / f"{number}.png")
    sources = [PictureSource(f"{number}.png", tmp_path) for number in range(40)]
    with PictureLoader(workers=3) as loader:
        prepared = loader.prepare_all(loader.read_all(sources), encoder.prepare)
        assert np.abs(encoder.encode_pictures(prepared) - encoder.encode_pictures(many)).max() < 1e-5


@pytest.mark.parametrize("tokenizer", ["clip", "words"])
def test_a_text_is_truncated_where_it_has_more_tokens_than_are_read(tokenizer: str, tiny_clip: Made) -> None:
    encoder = encoder_of(tiny_clip(tokenizer=tokenizer), prompts=("{}",))
    # Sixteen tokens with start and end; of the tokenizer of words with its end alone.
    fits = 14 if tokenizer == "clip" else 15
    texts = ["a " * fits, "a " * (fits + 1), "a", "a " * 5000]
    assert encoder.encode(texts, Role.ITEM).truncated.tolist() == [False, True, False, True]


def test_a_prompt_that_makes_a_text_too_long_counts(tiny_clip: Made) -> None:
    encoder = encoder_of(tiny_clip(), prompts=("{}", "a photo of {}"))
    assert encoder.encode(["a " * 14, "a " * 11], Role.ITEM).truncated.tolist() == [True, False]


LONG = {
    "a very long word": "x" * 20_000,
    "a long word and then more": f"{'7f' * 6_000} electric kettle",
    "a megabyte": "the quick brown kettle boils " * 36_000,
    "a megabyte of spaces and then more": f"{' ' * 1_000_000}electric kettle",
    "CJK": "电热水壶不锈钢" * 3_000,
    "controls": "a\x00b\x1b[31mc\u200bd\ufffde",
    "special tokens": "<start_of_text> kettle <end_of_text>",
    "emoji": "👩\u200d🔬🫖 kettle 🫖",
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_texts_of_any_kind_are_encoded_soon(text: str, encoder: ImageEncoder) -> None:
    assert np.isfinite(encoder.encode([text], Role.ITEM).vectors).all()


def test_white_space_before_a_text_changes_nothing(encoder: ImageEncoder) -> None:
    found = encoder.encode(["kettle", f"{' ' * 10_000}kettle"], Role.ITEM)
    assert np.abs(found.vectors[0] - found.vectors[1]).max() < 1e-6
    assert found.truncated.tolist() == [False, False]


def test_it_may_be_used_from_several_threads(encoder: ImageEncoder) -> None:
    wanted = encoder.encode_pictures(pictures())
    found, failed = [], []

    def work():
        try:
            for _ in range(5):
                found.append(encoder.encode_pictures(pictures()))
                encoder.encode(TEXTS, Role.CLASS)
        except Exception as error:
            failed.append(error)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert failed == []
    assert all(np.abs(one - wanted).max() < 1e-6 for one in found)


def test_bfloat16_is_taken_only_where_it_gives_the_same_vectors(
    tiny_clip: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = encoder_of(tiny_clip(), precision="bfloat16")
    exact = encoder_of(tiny_clip())
    cosines = (fast.encode_pictures(pictures()) * exact.encode_pictures(pictures())).sum(axis=1)
    assert fast.running in {"cpu bfloat16", "cpu float32"}
    assert cosines.min() > 0.99
    monkeypatch.setattr(precision, "MIN_COSINE", 1.1)
    assert encoder_of(tiny_clip(), precision="bfloat16").running == "cpu float32"


def test_the_probes_are_pictures_that_differ_and_are_always_the_same() -> None:
    probes = image_loading._probes((32, 48))
    assert probes.shape == (8, 32, 48, 3)
    assert np.array_equal(probes, image_loading._probes((32, 48)))
    assert len({one.tobytes() for one in probes}) == 8


def test_loading_leaves_logging_and_the_model_registry_of_open_clip_alone(tiny_clip: Made) -> None:
    import open_clip

    root = logging.getLogger()
    before = (list(root.handlers), root.level, open_clip.list_models())
    for handler in before[0]:
        root.removeHandler(handler)
    try:
        assert encoder_of(tiny_clip()).running == "cpu float32"
        assert root.handlers == []
    finally:
        for handler in before[0]:
            root.addHandler(handler)
    assert (list(root.handlers), root.level, open_clip.list_models()) == before


def test_pickled_weights_beside_safe_ones_are_not_read(tiny_clip: Made, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_clip(), tmp_path / "both"))
    (folder / "open_clip_model.safetensors").rename(folder / "model.safetensors")
    # The name that open_clip prefers to the safe one.
    (folder / "open_clip_pytorch_model.bin").write_bytes(b"cposix\nsystem\n(S'false'\ntR.")
    found = encoder_of(folder).encode_pictures(pictures())
    assert np.array_equal(found, encoder_of(tiny_clip()).encode_pictures(pictures()))


def test_another_preprocessing_than_that_of_the_makers_is_refused(
    tiny_clip: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    from open_clip import factory

    real = factory.set_model_preprocess_cfg
    monkeypatch.setattr(
        factory, "set_model_preprocess_cfg", lambda model, config: real(model, {**config, "interpolation": "bilinear"})
    )
    with pytest.raises(EncoderError, match=r"open_clip prepares pictures as .*bilinear.* makers say .*bicubic"):
        encoder_of(tiny_clip()).encode_pictures(pictures())


def test_a_transform_that_is_not_known_is_refused(tiny_clip: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    from open_clip import transform

    real = transform.image_transform_v2

    def other(config, is_train):
        made = real(config, is_train)
        made.transforms[-1].mean = (0.1, 0.2, 0.3)
        return made

    monkeypatch.setattr(transform, "image_transform_v2", other)
    with pytest.raises(EncoderError, match="in a way that is not known"):
        encoder_of(tiny_clip()).prepare(pictures(1)[0])


def test_weights_that_are_damaged_or_of_another_model_are_refused(tiny_clip: Made, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_clip(), tmp_path / "damaged"))
    weights = folder / "open_clip_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(EncoderError, match="cannot load the model"):
        encoder_of(folder).encode_pictures(pictures())
    shutil.copy(tiny_clip(image_size=64) / weights.name, weights)
    config = json.loads((folder / "open_clip_config.json").read_text(encoding="utf-8"))
    config["model_cfg"]["vision_cfg"]["width"] = 96
    (folder / "open_clip_config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(EncoderError, match="cannot load the model"):
        encoder_of(folder).encode_pictures(pictures())


def test_a_vector_that_is_not_finite_is_an_error(tiny_clip: Made, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = Path(shutil.copytree(tiny_clip(), tmp_path / "infinite"))
    weights = load_file(folder / "open_clip_model.safetensors")
    weights["visual.proj"] = torch.full_like(weights["visual.proj"], float("nan"))
    save_file(weights, folder / "open_clip_model.safetensors")
    with pytest.raises(EncoderError, match="zero or not finite"):
        encoder_of(folder).encode_pictures(pictures())


def test_a_device_that_is_not_there_is_an_error(tiny_clip: Made) -> None:
    device = (
        next(name for name in ("mps", "cuda") if not getattr(torch.backends, name).is_available())
        if not (torch.cuda.is_available())
        else "mps"
    )
    with pytest.raises(EncoderError, match="is not available here"):
        encoder_of(tiny_clip(), device=device).encode_pictures(pictures())

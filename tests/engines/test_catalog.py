"""A catalogue from its first class to its last rollback: every answer on a server is the one on Milvus Lite."""

import dataclasses
from collections.abc import Mapping

import numpy as np
import pytest

from nearclass import Catalog, ClassSpec, Item, Settings
from nearclass.errors import NearclassError
from nearclass.ingest.labelled import Labelled

pytestmark = pytest.mark.slow

ITEMS = [
    Item("k'1\"", title="red cordless kettle", attributes={"brand": "Acme", "price": 30}),
    Item("k2", title="kettle of steel for tea", description="Boils a litre of water.", attributes={"price": 45.5}),
    Item("t1", title="toaster for two slices", attributes={"brand": "O'Neil", "price": 25}),
    Item("日本-1", title="gaming laptop with a bright screen", attributes={"brand": "日本"}),
    Item("l2", title="light notebook computer 🙂", attributes={"brand": "Acme", "price": 900}),
    Item("b1", title="winter boots that cover the ankle"),
    Item("s1", title="spade to dig the garden"),
    Item("e1", title="device to read e-books on"),
    Item("n1", title="theatre tickets for two"),
]

WORDS = {
    "kettles": ("kettle", "water boiler", "tea kettle"),
    "toasters": ("toaster", "bread toaster", "retro toaster"),
    "laptops": ("laptop", "portable laptop", "gaming laptop"),
    "boots": ("boots", "winter boots", "hiking boots"),
    "hoses": ("hose", "garden hose", "long hose"),
}
KINDS = ("red", "blue", "small", "large", "cheap", "new", "light", "steel")
LABELLED = [
    Labelled(Item(f"{class_id}-{word}-{kind}", title=f"{kind} {word}"), frozenset({class_id}))
    for class_id, words in WORDS.items()
    for word in words
    for kind in KINDS
]

ATTRIBUTES = ("brand=Acme", "brand=O'Neil", "price>=30", "brand=日本")
ASKED = ["something to boil water", "read a novel on a screen", "shoes for the snow", "an aeroplane"]

TIMES = {"at", "items_per_s", "seconds", "created_at", "updated_at"}

STEPS = (
    "made",
    "ingested",
    "ingested again",
    "listed",
    "counted",
    "got",
    "assigned",
    "assigned by Milvus",
    "searched",
    "searched in a class",
    "searched by attributes",
    "previewed",
    "class added",
    "assigned at once",
    "assigned at once by Milvus",
    "stale",
    "reassigned",
    "edited",
    "moved and renamed",
    "merged",
    "confirmed",
    "unconfirmed",
    "deleted",
    "learnt",
    "learnt vectors",
    "assigned by what was learnt",
    "evaluated",
    "calibrated",
    "assigned with confidence",
    "learning taken back",
    "classes rolled back",
    "logged",
    "linted",
    "discovered",
    "given vectors",
    "refused",
    "opened again",
)


def plain(value):
    """A value that two engines are compared by: floats to five places, no times."""
    if dataclasses.is_dataclass(value):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items() if key not in TIMES}
    if isinstance(value, set | frozenset):
        value = sorted(value)
    if isinstance(value, np.ndarray | list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, float | np.floating):
        return round(float(value), 5) + 0.0
    assert value is None or isinstance(value, str | int), type(value)
    return value


class Story:
    """What one catalogue answers, step by step."""

    def __init__(self, uri, encoder, folder):
        self.uri, self.encoder, self.folder = uri, encoder, folder
        self.told = {}

    def open(self, **settings):
        return Catalog.open(settings=Settings(uri=self.uri, catalog="story", **settings), encoder=self.encoder)

    def ingest(self, items, **options):
        return self.catalog.ingest(items, rejects=self.folder / "rejects.jsonl", **options)

    def elsewhere(self, ask):
        """What a process answers that opens the catalogue now, with Milvus' own search of classes."""
        self.catalog.close()
        with self.open(class_search="milvus") as other:
            answer = ask(other)
        self.catalog = self.open()
        return answer

    def tell(self, classes):
        self.catalog = self.open()
        told, change = self.told, self.catalog.import_classes(classes)
        told["made"] = [[one.id for one in classes], change.taxonomy.revision, self.catalog.class_vectors()]
        told["ingested"] = self.ingest(ITEMS)
        told["ingested again"] = self.ingest([*ITEMS[:4], Item("b1", title="boots, changed")])
        self.read()
        self.change()
        self.learn()
        self.tidy()
        self.catalog.close()
        return told

    def read(self):
        told, catalog, items = self.told, self.catalog, self.catalog.items()
        told["listed"] = items.list()
        told["counted"] = [items.count(), items.count(class_id="home"), items.count(where=["price<40"])]
        told["got"] = [items.get(item.id) for item in ITEMS]
        told["assigned"] = catalog.assign(ASKED, k=5)
        told["searched"] = [catalog.search(text, k=4) for text in ASKED]
        told["searched in a class"] = catalog.search("made of steel", k=4, class_id="home")
        told["searched by attributes"] = [catalog.search("a gift", where=[one]) for one in ATTRIBUTES]
        told["assigned by Milvus"] = self.elsewhere(lambda other: other.assign(ASKED, k=5))

    def change(self):
        told, catalog = self.told, self.catalog
        reader = {"parent": "computers", "descriptions": ["Devices to read e-books on."]}
        draft = catalog.draft()
        draft.classes.add("E-readers", **reader)
        told["previewed"] = draft.preview(catalog.classes.taxonomy)
        told["class added"] = catalog.classes.add("E-readers", **reader)
        told["assigned at once"] = catalog.assign(ASKED)
        told["assigned at once by Milvus"] = self.elsewhere(lambda other: other.assign(ASKED))
        catalog, items = self.catalog, self.catalog.items()
        told["stale"] = catalog.stale_items()
        told["reassigned"] = [items.reassign(), catalog.stale_items(), items.list()]
        told["edited"] = [catalog.classes.edit("kettles", synonyms=["jug for tea"]), catalog.assign("jug for tea")]
        told["moved and renamed"] = [
            catalog.classes.rename("spades", "Shovels"),
            catalog.classes.move("printers", "home"),
        ]
        catalog.classes.merge(["running"], "boots")
        told["merged"] = [catalog.class_vectors(), catalog.assign("light shoes for runners")]
        items.confirm(["k2", "t1"], "toasters")
        told["confirmed"] = [items.get("k2"), items.list(class_id="toasters")]
        items.unconfirm(["k2"])
        told["unconfirmed"] = items.get("k2")
        told["deleted"] = [items.delete(["s1", "nobody", "k'1\""]), items.count()]

    def learn(self):
        told, catalog = self.told, self.catalog
        catalog.learn(LABELLED[::2])
        told["learnt"] = [(one.version, one.method, one.lexical_weight) for one in catalog.learning.versions()]
        told["learnt vectors"] = catalog.class_vectors()
        told["assigned by what was learnt"] = catalog.assign(ASKED)
        told["evaluated"] = catalog.evaluate(LABELLED[1::2])[0]
        told["calibrated"] = catalog.calibrate(LABELLED[1::2], precision=0.7)
        told["assigned with confidence"] = catalog.assign(ASKED)
        catalog.learning.use(0)
        told["learning taken back"] = [catalog.class_vectors(), catalog.assign(ASKED)]
        catalog.classes.rollback(1)
        told["classes rolled back"] = [catalog.class_vectors(), catalog.assign(ASKED)]

    def tidy(self):
        told, catalog = self.told, self.catalog
        told["logged"] = [(entry.revision, entry.command) for entry in catalog.classes.log()]
        told["linted"] = catalog.lint()
        self.ingest([Item(f"d{n}", title=f"{kind} theatre tickets") for n, kind in enumerate(KINDS)])
        told["discovered"] = catalog.discover(min_size=3, weakest=0.5)
        rng = np.random.default_rng(2)
        classes = [ClassSpec(name, name, vector=tuple(rng.normal(size=6))) for name in ("left", "right")]
        catalog.import_classes(classes, space="given")
        self.ingest([Item(f"g{n}", title=str(n), vector=tuple(rng.normal(size=6))) for n in range(5)], space="given")
        told["given vectors"] = catalog.items("given").list()
        calls = (
            lambda: catalog.items().get("nobody"),
            lambda: catalog.search("x", where=["price"]),
            lambda: catalog.items("nowhere"),
            lambda: catalog.classes.retire("nothing"),
        )
        told["refused"] = [refused(call) for call in calls]
        told["opened again"] = self.elsewhere(lambda other: [other.items().list(), other.assign(ASKED), other.spaces])


def refused(call):
    with pytest.raises(NearclassError) as caught:
        call()
    return f"{type(caught.value).__name__}: {caught.value.message}"


@pytest.fixture(scope="module")
def stories(milvus, real_encoder, shop_classes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stories")
    lite = Story(str(folder / "shop.db"), real_encoder, folder).tell(shop_classes)
    server = Story(milvus, real_encoder, folder).tell(shop_classes)
    assert set(lite) == set(server) == set(STEPS)
    return lite, server


@pytest.mark.parametrize("step", STEPS)
def test_the_answers_are_the_same(stories, step):
    lite, server = stories
    assert plain(server[step]) == plain(lite[step])

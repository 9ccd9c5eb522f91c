"""A new version of a taxonomy: which old classes lead where, which are missing, and what comes of their items."""

import json
from pathlib import Path
from typing import Any

import pytest

from nearclass import ClassSpec, Item
from nearclass.errors import InputError, TaxonomyError
from nearclass.ingest.class_files import open_version
from nearclass.ingest.versions import Version
from nearclass.schemas.records import ClassState
from nearclass.schemas.taxonomy import Taxonomy

OLD = Taxonomy(
    [
        ClassSpec("aa", "Apparel & Accessories"),
        ClassSpec("aa-1", "Clothing", "aa"),
        ClassSpec("aa-1-21", "Uniforms", "aa-1"),
        ClassSpec("aa-1-21-1", "Flight Suits", "aa-1-21"),
        ClassSpec("bi", "Business & Industrial"),
        ClassSpec("bi-19-10", "Scrubs", "bi"),
        ClassSpec("own", "Our own"),
    ],
    4,
)
NEW = """\
# Shopify Product Taxonomy - Categories: 2025-09
# Format: {GID} : {Ancestor name} > ... > {Category name}

gid://shopify/TaxonomyCategory/aa          : Apparel & Accessories
gid://shopify/TaxonomyCategory/aa-1        : Apparel & Accessories > Clothing
gid://shopify/TaxonomyCategory/aa-1-24     : Apparel & Accessories > Clothing > Uniforms & Workwear
gid://shopify/TaxonomyCategory/aa-1-24-2   : Apparel & Accessories > Clothing > Uniforms & Workwear > Flight Suits
gid://shopify/TaxonomyCategory/aa-1-24-9   : Apparel & Accessories > Clothing > Uniforms & Workwear > Scrubs
gid://shopify/TaxonomyCategory/bi          : Business & Industrial
"""
RULES = {
    "aa-1-21": (
        "Apparel & Accessories > Clothing > Uniforms",
        "aa-1-24",
        "Apparel & Accessories > Clothing > Uniforms & Workwear",
    ),
    "aa-1-21-1": (
        "Apparel & Accessories > Clothing > Uniforms > Flight Suits",
        "aa-1-24-2",
        "Apparel & Accessories > Clothing > Uniforms & Workwear > Flight Suits",
    ),
    "bi-19-10": (
        "Business & Industrial > Scrubs",
        "aa-1-24-9",
        "Apparel & Accessories > Clothing > Uniforms & Workwear > Scrubs",
    ),
    "zz-1": ("Nowhere", "aa", "Apparel & Accessories"),
}
LEADS = {"aa-1-21": "aa-1-24", "aa-1-21-1": "aa-1-24-2", "bi-19-10": "aa-1-24-9"}


def shopify_json() -> str:
    rules = [
        {
            "input": {"category": {"id": old, "full_name": path}},
            "output": {"category": [{"id": f"gid://shopify/TaxonomyCategory/{new}", "full_name": new_path}]},
        }
        for old, (path, new, new_path) in RULES.items()
    ]
    names = {"input_taxonomy": "shopify/2024-10", "output_taxonomy": "shopify/2025-09"}
    return json.dumps({"version": "2025-09", "mappings": [{**names, "rules": rules}]}, indent=2)


def shopify_text() -> str:
    head = (
        "# Shopify Product Taxonomy - Mapping shopify/2024-10 to shopify/2025-09\n# Format:\n# → {base}\n# ⇒ {mapped}\n"
    )
    return head + "".join(f"\n→ {path}\n⇒ {new_path}\n" for path, _, new_path in RULES.values())


FORMS = {
    "shopify_2024-10_to_shopify_2025-09.json": shopify_json(),
    "shopify_2024-10_to_shopify_2025-09.txt": shopify_text(),
    "mapping.csv": "old,new\n" + "".join(f"{old},{new}\n" for old, (_, new, _) in RULES.items()),
    "mapping.jsonl": "".join(
        json.dumps({"old": path, "new": [f"gid://shopify/TaxonomyCategory/{new}"]}) + "\n"
        for path, new, _ in RULES.values()
    ),
}


def version(
    folder: Path, mapping: str | None = None, rows: Any = NEW, existing: Taxonomy = OLD, **more: Any
) -> Version:
    path = folder / ("categories.txt" if isinstance(rows, str) else "classes.jsonl")
    path.write_text(
        rows if isinstance(rows, str) else "".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8"
    )
    if mapping is not None and "\n" in mapping:
        (folder / "mapping.csv").write_text(mapping, encoding="utf-8")
        mapping = str(folder / "mapping.csv")
    return open_version(str(path), existing, mapping=mapping, **more)


@pytest.mark.parametrize("name", FORMS)
def test_old_classes_lead_to_new_ones_as_any_form_of_a_mapping_says(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(FORMS[name], encoding="utf-8")
    found = version(tmp_path, str(tmp_path / name))
    assert found.leads == LEADS
    assert (found.missing, found.unknown, found.rejects, found.several) == (("own",), 1, (), {})
    after = OLD.with_changes(found.specs, 5)
    assert OLD.check_change(found.specs) == []
    assert {old: after.find(old).id for old in LEADS} == LEADS
    assert after.find("Apparel & Accessories > Clothing > Uniforms > Flight Suits").id == "aa-1-24-2"
    assert "own" in after.assignable()


def test_numbers_of_google_are_ids_alone_and_before_a_path(tmp_path: Path) -> None:
    old = Taxonomy([ClassSpec("166", "Apparel & Accessories"), ClassSpec("1604", "Clothing", "166")])
    rows = "# Google_Product_Taxonomy_Version: 2021-09-21\n166 - Apparel & Accessories\n5322 - Apparel & Accessories > Activewear\n"
    for mapping in ("old,new\n1604,5322\n", "old,new\n1604 - Apparel & Accessories > Clothing,5322 - Activewear\n"):
        assert version(tmp_path, mapping, rows, old).leads == {"1604": "5322"}


def test_a_new_class_takes_the_place_of_an_old_one_that_leads_to_it(tmp_path: Path) -> None:
    rows = [{"id": "aa", "name": "Apparel & Accessories"}, {"id": "c-2", "name": "Clothing", "parent": "aa"}]
    refused = version(tmp_path, None, rows)
    assert [row.code for row in refused.rejects] == ["duplicate_name"]
    found = version(tmp_path, "old,new\naa-1,c-2\n", rows)
    assert not found.rejects
    after = OLD.with_changes(found.specs, 5)
    assert after.find("Apparel & Accessories > Clothing").id == "c-2"
    assert after.parent("aa-1-21") == "c-2"


def test_what_neither_file_nor_mapping_has_is_missing_and_retired_only_if_asked_to(tmp_path: Path) -> None:
    rows = [{"id": "aa", "name": "Apparel & Accessories"}]
    found = version(tmp_path, None, rows)
    assert found.missing == ("aa-1", "aa-1-21", "aa-1-21-1", "bi", "bi-19-10", "own")
    assert OLD.with_changes(found.specs, 5).assignable() == OLD.assignable()
    retired = version(tmp_path, None, rows, retire_missing=True)
    assert retired.missing == found.missing
    assert OLD.with_changes(retired.specs, 5).assignable() == ["aa"]


def test_what_the_file_has_stays_whatever_the_mapping_says(tmp_path: Path) -> None:
    rows = [{"id": spec.id, "name": spec.name, "parent": spec.parent_id} for spec in OLD]
    found = version(tmp_path, "old,new\nown,bi\naa,aa\n", rows)
    assert (found.leads, found.missing, found.rejects) == ({}, (), ())


def test_a_class_that_became_several_is_retired_unless_something_below_it_would_be_lost(tmp_path: Path) -> None:
    found = version(tmp_path, "old,new\nown,aa-1-24-2|aa-1-24-9\naa-1-21,aa-1-24|bi\n")
    assert found.several == {"own": ("aa-1-24-2", "aa-1-24-9")}
    assert OLD.with_changes(found.specs, 5)["own"].state is ClassState.RETIRED
    assert [(row.code, row.line) for row in found.rejects] == [("unknown_class", 3)]
    assert "aa-1-21-1" in found.rejects[0].message
    assert "aa-1-21" in found.missing


@pytest.mark.parametrize("new", ["nowhere", "", "aa-1-24|nowhere"])
def test_a_class_that_leads_nowhere_is_rejected_and_stays(tmp_path: Path, new: str) -> None:
    found = version(tmp_path, f"old,new\nown,{new}\n")
    assert [(row.code, row.line, row.raw) for row in found.rejects] == [
        ("unknown_class", 2, {"old": "own", "new": new})
    ]
    assert found.missing[-1] == "own"
    assert OLD.with_changes(found.specs, 5).is_live("own")


def test_classes_lead_on_through_others_and_never_in_a_ring(tmp_path: Path) -> None:
    found = version(tmp_path, "old,new\nown,bi-19-10\nbi-19-10,aa-1-24-9\n")
    assert found.leads == {"own": "aa-1-24-9", "bi-19-10": "aa-1-24-9"}
    ring = version(tmp_path, "old,new\nown,bi-19-10\nbi-19-10,own\n")
    assert (ring.leads, len(ring.rejects)) == ({}, 2)


def test_rows_that_are_no_mapping_are_rejected_and_several_mappings_refused(tmp_path: Path) -> None:
    assert [row.code for row in version(tmp_path, "from,to\na,b\n").rejects] == ["missing_id"]
    (tmp_path / "m.txt").write_text("→ Our own\n⇒ Business & Industrial\n⇒⇒\nA line\n", encoding="utf-8")
    found = version(tmp_path, str(tmp_path / "m.txt"))
    assert sorted(row.code for row in found.rejects) == ["bad_line", "unknown_class"]
    (tmp_path / "all_mappings.json").write_text(json.dumps({"mappings": [{}, {}]}))
    with pytest.raises(InputError, match="2 mappings"):
        version(tmp_path, str(tmp_path / "all_mappings.json"))


# In a catalogue


@pytest.fixture
def stocked(catalog):
    titles = {
        "k1": "electric kettle 1.7 l",
        "k2": "steel kettle",
        "t1": "toaster for two slices",
        "p1": "tablet 10 inch",
    }
    catalog.ingest([Item(one, title=title) for one, title in titles.items()])
    catalog.items().confirm(["k2"], "kettles")
    return catalog


ROWS = [
    {"id": "home", "name": "Home & Kitchen"},
    {"id": "brew", "name": "Kettles", "parent": "home", "description": "Appliances that boil water for tea."},
    {"id": "toasters", "name": "Toasters", "parent": "home", "description": "Appliances that brown bread."},
]


def test_items_confirmed_items_and_labels_follow_to_the_new_class(stocked, tmp_path):
    found = version(tmp_path, "old,new\nkettles,brew\n", ROWS, stocked.classes.taxonomy, retire_missing=True)
    change = stocked.import_classes(found.specs, base=stocked.classes.taxonomy)
    assert change.problems == ()
    assert change.taxonomy.assignable() == ["toasters", "brew"]
    items = stocked.items()
    assert (items.get("k1").class_id, items.get("k2").confirmed_class) == ("brew", "brew")
    assert {item.id for item in items.list(class_id="brew")} == {"k1", "k2"}
    assert items.confirm(["k1"], "kettles").id == "brew"
    assert stocked.learn(dry_run=True).labels == 2
    assert len(stocked.classes.log()) == 2
    again = version(tmp_path, "old,new\nkettles,brew\n", ROWS, stocked.classes.taxonomy, retire_missing=True)
    assert (again.leads, again.missing) == ({}, ())
    assert stocked.import_classes(again.specs).changed == ()
    stocked.classes.rollback(1)
    assert stocked.items().get("k1").class_id == "kettles"


def test_a_version_that_was_read_before_another_change_is_refused(stocked, tmp_path):
    base = stocked.classes.taxonomy
    found = version(tmp_path, "old,new\nkettles,brew\n", ROWS, base)
    stocked.classes.rename("kettles", "Jugs")
    with pytest.raises(TaxonomyError, match="after revision 1") as caught:
        stocked.import_classes(found.specs, base=base)
    assert "run it again" in caught.value.hint
    assert "brew" not in stocked.classes.taxonomy


def test_a_diff_says_what_the_import_would_do(stocked, tmp_path):
    found = version(tmp_path, "old,new\nkettles,brew\n", ROWS, stocked.classes.taxonomy)
    told = {one.class_id: one.changes for one in stocked.classes.diff_version(found)}
    assert told.pop("brew") == ("added",)
    assert (told.pop("kettles"), told.pop("toasters")) == (("merged",), ("texts",))
    assert set(told.values()) == {("missing",)}
    before = stocked.classes.taxonomy.revision
    stocked.import_classes(found.specs)
    done = {one.class_id: one.changes for one in stocked.classes.diff(before)}
    assert done == {"brew": ("added",), "kettles": ("merged",), "toasters": ("texts",)}

"""nearclass classes lint, and the warning of classes add."""

import json
import time

import numpy as np
import pytest

from nearclass import ClassSpec
from nearclass.learn.lint import Texts, lint
from nearclass.schemas.taxonomy import Taxonomy


@pytest.fixture
def command(catalog, run, tmp_path):
    catalog.close()
    return lambda *arguments: run("--uri", "shop.db", *arguments, cwd=tmp_path)


def test_a_sound_taxonomy_ends_well_even_when_asked_strictly(command):
    command("classes", "edit", "tablets", "-d", "Tablets with a touch screen.")
    command("classes", "edit", "boots", "-d", "Boots that cover the ankle.")
    done = command("classes", "lint", "--strict")
    assert (done.code, done.out, "nothing found" in done.err) == (0, "", True)


def test_a_class_that_is_alike_is_warned_of_when_it_is_added_and_found_afterwards(command):
    added = command(
        "classes",
        "add",
        "Kettle",
        "--parent",
        "garden",
        "-d",
        "Appliances that boil water for tea.",
        "--synonym",
        "water boiler",
    )
    assert added.code == 0
    assert "warning: much like Home & Kitchen > Kettles (id kettles): cosine 0.9" in added.err
    done = command("classes", "lint")
    assert done.code == 0
    found = next(row for row in done.rows if row["code"] == "alike")
    assert set(found["classes"]) == {"garden/kettle", "kettles"}
    assert found["value"] > 0.9
    assert command("classes", "lint", "--strict").code == 1
    assert json.loads(command("classes", "lint", "-o", "json").out)[0]["command"].startswith("nearclass classes ")
    assert "alike" in command("classes", "lint", "-o", "table").out


def test_other_classes_are_added_without_a_warning(command):
    assert (
        "warning"
        not in command("classes", "add", "Rugs", "--parent", "home", "-d", "Carpets for a part of the floor.").err
    )


def test_a_description_that_fits_another_class_is_found(command):
    command("classes", "edit", "hoses", "-d", "Portable computers, laptops with a keyboard.")
    found = next(row for row in command("classes", "lint").rows if row["code"] == "off_description")
    assert found["classes"] == ["hoses", "laptops"]
    assert found["paths"] == [["Garden", "Hoses"], ["Computers", "Laptops"]]


@pytest.mark.slow
def test_ten_thousand_classes_take_seconds():
    ids = [f"c{number:05}" for number in range(10_000)]
    vectors = np.random.default_rng(0).normal(size=(len(ids), 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    taxonomy = Taxonomy([ClassSpec(one, one, descriptions=("It says something.",)) for one in ids])
    started = time.process_time()
    lint(taxonomy, Texts(ids, vectors, vectors, vectors))
    assert time.process_time() - started < 60

"""Branches add up what their classes have."""

import numpy as np
import pytest

from nearclass.schemas.branches import NO_CLASS, Branches
from nearclass.schemas.records import ClassSpec
from nearclass.schemas.taxonomy import Taxonomy


@pytest.fixture
def branches(shop):
    taxonomy = Taxonomy(shop)
    return Branches(taxonomy, taxonomy.assignable())


def columns(branches, *rows):
    return branches.columns(rows, max(map(len, rows)))


def test_the_heaviest_branch_is_named_with_the_sum_of_its_classes(branches):
    found = columns(branches, ["boots", "laptops", "tablets"])
    nodes, masses = branches.heaviest(found, np.array([[0.4, 0.3, 0.2]]))
    assert branches.nodes[nodes[0, 0]] == "computers"
    assert masses[0, 0] == pytest.approx(0.5)


def test_of_equal_branches_the_first_of_the_taxonomy_stands(branches):
    found = columns(branches, ["boots", "kettles"])
    nodes, _ = branches.heaviest(found, np.array([[0.5, 0.5]]))
    assert branches.nodes[nodes[0, 0]] == "home"


def test_a_class_that_may_not_be_answered_is_in_no_branch(branches):
    found = columns(branches, ["gone", "boots"])
    assert found[0, 0] == NO_CLASS
    nodes, masses = branches.heaviest(found, np.array([[0.9, 0.1]]))
    assert branches.nodes[nodes[0, 0]] == "shoes"
    assert masses[0, 0] == pytest.approx(0.1)


def test_a_root_over_every_class_says_nothing_and_is_no_branch(shop):
    rooted = [ClassSpec("all", "All")]
    rooted += [ClassSpec(one.id, one.name, one.parent_id or "all") for one in shop]
    taxonomy = Taxonomy(rooted)
    assert "all" not in Branches(taxonomy, taxonomy.assignable()).nodes


def test_a_flat_taxonomy_has_no_branches():
    taxonomy = Taxonomy([ClassSpec("a", "A"), ClassSpec("b", "B")])
    branches = Branches(taxonomy, ["a", "b"])
    nodes, masses = branches.heaviest(columns(branches, ["a", "b"]), np.array([[0.6, 0.4]]))
    assert nodes.shape == masses.shape == (1, 0)
    assert branches.tops == ["a", "b"]


def test_a_class_that_is_answered_itself_is_in_its_own_branch():
    specs = [ClassSpec("a", "A", assignable=True), ClassSpec("b", "B", "a"), ClassSpec("c", "C")]
    branches = Branches(Taxonomy(specs), ["a", "b", "c"])
    nodes, masses = branches.heaviest(columns(branches, ["a", "b", "c"]), np.array([[0.4, 0.3, 0.3]]))
    assert branches.nodes[nodes[0, 0]] == "a"
    assert masses[0, 0] == pytest.approx(0.7)


def test_masses_are_added_as_one_by_one():
    generator = np.random.default_rng(3)
    specs = [ClassSpec(f"t{top}", f"t{top}") for top in range(4)]
    specs += [ClassSpec(f"m{mid}", f"m{mid}", f"t{mid % 4}") for mid in range(9)]
    specs += [ClassSpec(f"c{leaf}", f"c{leaf}", f"m{leaf % 9}") for leaf in range(40)]
    taxonomy = Taxonomy(specs)
    branches = Branches(taxonomy, taxonomy.assignable())
    rows = [[f"c{leaf}" for leaf in generator.permutation(40)[:12]] for _ in range(30)]
    masses = generator.dirichlet(np.ones(12), 30)
    nodes, sums = branches.heaviest(columns(branches, *rows), masses)
    for row, line, found, total in zip(rows, masses, nodes, sums, strict=True):
        for level in range(2):
            by_node: dict[str, float] = {}
            for class_id, mass in zip(row, line, strict=True):
                node = taxonomy.ancestors(class_id)[level]
                by_node[node] = by_node.get(node, 0.0) + mass
            assert total[level] == pytest.approx(max(by_node.values()))
            assert by_node[branches.nodes[found[level]]] == pytest.approx(total[level])

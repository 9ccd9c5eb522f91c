"""Changes of the taxonomy and of the vectors that classes bring, where the one before was cut off."""

import pytest

from nearclass import ClassSpec
from nearclass.errors import UsageError


def test_vectors_that_classes_bring_do_not_hide_a_change_that_was_cut_off(catalog, cut_off):
    cut_off(catalog)
    catalog.import_vectors([ClassSpec("kettles", "Kettles", vector=(1.0, 0.0))], "given")
    assert catalog.assign("device to read e-books on")[0].class_id == "computers/e-readers"


def test_a_space_that_is_not_there_is_named_and_refuses_no_row(catalog):
    with pytest.raises(UsageError, match="nowhere") as caught:
        list(catalog.assign_each([], space="nowhere"))
    assert "Spaces of this catalogue" in caught.value.hint

"""Thresholds measured anew at each change, on vectors that are encoded once."""

from nearclass.encoders.background import BACKGROUND, UNRELATED_PICTURES
from nearclass.encoders.unrelated import unrelated_pictures


def test_everyday_statements_are_encoded_once_and_a_change_without_a_text_needs_no_model(catalog, encoder, monkeypatch):
    encoded, whole = [], encoder.encode

    def encode(texts, role):
        encoded.extend(texts)
        return whole(texts, role)

    monkeypatch.setattr(encoder, "encode", encode)
    catalog.classes.add("Kayaks", descriptions=["Narrow boats."])
    assert "Narrow boats." in encoded
    assert not set(BACKGROUND) & set(encoded)  # kept since the classes were imported
    encoded.clear()
    before = catalog._live.of(None).assigner().rules
    catalog.classes.retire("kayaks")
    catalog.classes.retire("garden")
    assert encoded == []
    assert catalog._live.of(None).assigner().rules != before


def test_as_many_pictures_are_drawn_as_are_kept():
    assert len(unrelated_pictures()) == UNRELATED_PICTURES

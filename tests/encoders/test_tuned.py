"""What a fine-tuned encoder says of itself."""

import pytest

from nearclass.encoders.tuned import RECORD, Tuned, read_tuned, text_digest, write_tuned
from nearclass.errors import EncoderError

RECORDED = Tuned("minilm", "f" * 64, 3, 2, 1, 0.5, 0.75, tuple(sorted(map(text_digest, ("a kettle", "Café")))))


def test_the_record_is_read_as_it_was_written(tmp_path):
    write_tuned(tmp_path, RECORDED)
    assert read_tuned(tmp_path) == RECORDED
    assert "kettle" not in (tmp_path / RECORD).read_text(encoding="utf-8")


def test_a_folder_without_a_record_was_not_tuned(tmp_path):
    assert read_tuned(tmp_path) is None


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"source": "minilm"}'])
def test_a_damaged_record_is_an_error(tmp_path, content):
    (tmp_path / RECORD).write_text(content, encoding="utf-8")
    with pytest.raises(EncoderError, match=r"cannot read .*nearclass_tuning\.json"):
        read_tuned(tmp_path)

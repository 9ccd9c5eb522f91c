import os
import threading
from pathlib import Path

import pytest

from nearclass.pictures import reference
from nearclass.pictures.reference import is_url, read_file

MOST = 1000


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "in"
    made.mkdir()
    (made / "a.jpg").write_bytes(b"inside")
    (tmp_path / "out.jpg").write_bytes(b"outside")
    return made


def test_a_path_is_relative_to_the_folder_and_not_to_the_working_directory(folder):
    assert read_file("a.jpg", folder, max_bytes=MOST) == b"inside"


def test_a_folder_may_itself_be_a_relative_path_or_behind_a_link(folder, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert read_file("a.jpg", Path("in"), max_bytes=MOST) == b"inside"
    (tmp_path / "same").symlink_to(folder)
    assert read_file("a.jpg", tmp_path / "same", max_bytes=MOST) == b"inside"
    assert read_file(str(tmp_path / "same" / "a.jpg"), folder, allowed=[tmp_path / "same"], max_bytes=MOST) == b"inside"


def test_links_may_lead_to_another_allowed_folder_and_nowhere_else(folder, tmp_path, refused):
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "b.jpg").write_bytes(b"photo")
    (folder / "b.jpg").symlink_to(photos / "b.jpg")
    with refused("picture_outside"):
        read_file("b.jpg", folder, max_bytes=MOST)
    assert read_file("b.jpg", folder, allowed=[photos], max_bytes=MOST) == b"photo"
    assert read_file(str(photos / "b.jpg"), folder, allowed=[photos], max_bytes=MOST) == b"photo"
    assert read_file("../photos/b.jpg", folder, allowed=[photos], max_bytes=MOST) == b"photo"
    with refused("picture_outside"):
        read_file("../out.jpg", folder, allowed=[photos], max_bytes=MOST)


def test_a_folder_whose_name_begins_alike_is_another(folder, tmp_path, refused):
    (tmp_path / "in-side").mkdir()
    (tmp_path / "in-side" / "c.jpg").write_bytes(b"other")
    with refused("picture_outside"):
        read_file("../in-side/c.jpg", folder, max_bytes=MOST)


def test_a_pipe_is_refused_at_once_whether_or_not_somebody_writes(folder, refused):
    os.mkfifo(folder / "pipe.jpg")
    with refused("not_a_file"):
        read_file("pipe.jpg", folder, max_bytes=MOST)


def test_a_device_in_an_allowed_folder_is_refused(folder, refused):
    with refused("not_a_file"):
        read_file("/dev/zero", folder, allowed=[Path("/dev")], max_bytes=MOST)


def test_a_file_of_more_bytes_is_refused_unread(folder, refused):
    with (folder / "large.jpg").open("wb") as file:
        file.truncate(10**12)
    with refused("picture_too_large", "has 1000000000000 bytes; at most 1000"):
        read_file("large.jpg", folder, max_bytes=MOST)
    (folder / "just.jpg").write_bytes(bytes(MOST))
    assert len(read_file("just.jpg", folder, max_bytes=MOST)) == MOST


def test_a_file_that_grows_while_it_is_read_is_refused(folder, monkeypatch, refused):
    real = os.read

    def read(descriptor, size):
        with (folder / "a.jpg").open("ab") as file:
            file.write(bytes(400))
        return real(descriptor, 100)

    monkeypatch.setattr(reference.os, "read", read)
    with refused("picture_too_large"):
        read_file("a.jpg", folder, max_bytes=MOST)


def test_a_file_without_a_size_is_read_no_further_than_allowed(folder, refused):
    # Files under /proc say that they have 0 bytes.
    with refused("picture_too_large"):
        read_file("/proc/self/environ", folder, allowed=[Path("/proc")], max_bytes=1)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_refused(folder, refused):
    (folder / "a.jpg").chmod(0)
    with refused("unreadable_picture", "Permission denied"):
        read_file("a.jpg", folder, max_bytes=MOST)


@pytest.mark.parametrize("descriptors", [Path("/proc/self/fd"), Path("/nowhere")], ids=["proc", "without"])
def test_a_link_put_in_the_place_of_a_file_while_it_is_opened_leads_nowhere(
    descriptors, folder, monkeypatch, tmp_path, refused
):
    real = os.open

    def swapped(path, flags):
        (folder / "a.jpg").unlink()
        (folder / "a.jpg").symlink_to(tmp_path / "out.jpg")
        return real(path, flags)

    monkeypatch.setattr(reference, "_DESCRIPTORS", descriptors)
    monkeypatch.setattr(reference.os, "open", swapped)
    with refused("picture_outside"):
        read_file("a.jpg", folder, max_bytes=MOST)


def test_a_file_put_back_after_opening_does_not_hide_where_the_link_led(folder, monkeypatch, tmp_path, refused):
    real = os.open

    def swapped(path, flags):
        (folder / "a.jpg").rename(folder / "kept.jpg")
        (folder / "a.jpg").symlink_to(tmp_path / "out.jpg")
        opened = real(path, flags)
        (folder / "kept.jpg").replace(folder / "a.jpg")
        return opened

    for descriptors in (Path("/proc/self/fd"), Path("/nowhere")):
        with monkeypatch.context() as patch:
            patch.setattr(reference, "_DESCRIPTORS", descriptors)
            patch.setattr(reference.os, "open", swapped)
            with refused("picture_outside"):
                read_file("a.jpg", folder, max_bytes=MOST)


def test_swapping_links_for_a_second_never_gives_a_byte_from_outside(folder, tmp_path):
    from nearclass.errors import PictureError

    stop = threading.Event()

    def swap():
        while not stop.is_set():
            for target in (tmp_path / "out.jpg", folder / "a.jpg"):
                (folder / "new").symlink_to(target)
                (folder / "new").replace(folder / "b.jpg")

    attacker = threading.Thread(target=swap)
    attacker.start()
    codes = set()
    try:
        for _ in range(3000):
            try:
                assert read_file("b.jpg", folder, max_bytes=MOST) == b"inside"
                codes.add("")
            except PictureError as error:
                codes.add(error.code)
    finally:
        stop.set()
        attacker.join()
    assert {"", "picture_outside"} <= codes <= {"", "picture_outside", "missing_picture"}


def test_no_descriptor_is_left_open(folder, tmp_path, refused):
    before = len(list(Path("/proc/self/fd").iterdir()))
    for name, code in {"../out.jpg": "picture_outside", "b.jpg": "picture_outside", ".": "not_a_file"}.items():
        if name == "b.jpg":
            (folder / name).symlink_to(tmp_path / "out.jpg")
        with refused(code):
            read_file(name, folder, max_bytes=MOST)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("path", ["C:\\photos\\a.jpg", "photo: red.jpg", "12:30.jpg", "a.jpg", "//host/a.jpg"])
def test_a_path_with_a_colon_is_no_address(path):
    assert not is_url(path)


def test_an_absolute_path_may_name_any_file_where_that_is_allowed(tmp_path, refused):
    (tmp_path / "rows").mkdir()
    picture = tmp_path / "photo.jpg"
    picture.write_bytes(b"bytes")
    assert read_file(str(picture), tmp_path / "rows", anywhere=True, max_bytes=10) == b"bytes"
    with refused("picture_outside"):
        read_file(str(picture), tmp_path / "rows", max_bytes=10)


def test_a_relative_path_stays_in_its_folder_even_where_absolute_ones_may_name_any_file(tmp_path, refused):
    (tmp_path / "rows").mkdir()
    (tmp_path / "photo.jpg").write_bytes(b"bytes")
    with refused("picture_outside"):
        read_file("../photo.jpg", tmp_path / "rows", anywhere=True, max_bytes=10)

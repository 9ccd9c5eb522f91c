import hashlib
import threading
import time
from itertools import count

import pytest
from PIL import Image

from nearclass.errors import PictureError
from nearclass.pictures.limits import PictureLimits
from nearclass.pictures.load import PictureLoader, PictureSource


@pytest.fixture
def folder(tmp_path, saved):
    for number in range(60):
        (tmp_path / f"{number}.png").write_bytes(saved(Image.new("RGB", (8 + number, 8), (number, 0, 0)), "PNG"))
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    return tmp_path


@pytest.fixture
def sources(folder):
    names = [f"{number}.png" for number in range(60)]
    names[7], names[20] = "absent.png", "broken.png"
    return [PictureSource(name, folder) for name in names]


def widths(results):
    return [one.code if isinstance(one, PictureError) else one for one in results]


def test_pictures_come_in_the_order_of_their_sources_with_errors_in_their_places(sources):
    def slower_at_first(picture):
        time.sleep(0.02 if picture.width < 20 else 0)
        return picture.width

    expected = [8 + number for number in range(60)]
    expected[7], expected[20] = "missing_picture", "damaged_picture"
    with PictureLoader(workers=8, ahead=16) as loader:
        assert widths(loader.prepare_all(loader.read_all(sources), slower_at_first)) == expected


def test_an_error_names_the_picture_and_keeps_its_hint(folder):
    with PictureLoader(PictureLimits(max_pixels=10)) as loader, pytest.raises(PictureError) as caught:
        loader.decode(loader.read(PictureSource("0.png", folder)))
    assert caught.value.message.startswith("the picture '0.png': 8 x 8 are")
    assert "NEARCLASS_PICTURE_MAX_MEGAPIXELS" in caught.value.hint


def test_digests_are_had_without_decoding_and_known_pictures_can_be_left_out(sources, monkeypatch):
    with PictureLoader() as loader:
        read = list(loader.read_all(sources[:5]))
        assert [one.digest for one in read] == [
            hashlib.sha256((one.source.folder / one.source.reference).read_bytes()).hexdigest() for one in read
        ]
        known = {read[0].digest, read[2].digest}
        rest = (one for one in read if one.digest not in known)
        assert widths(loader.prepare_all(rest, lambda picture: picture.width)) == [9, 11, 12]


def test_no_more_is_read_or_decoded_ahead_than_was_allowed(sources):
    taken = count()
    reached = []

    def watched():
        for source in sources:
            reached.append(next(taken))
            yield source

    with PictureLoader(workers=2, ahead=4) as loader:
        results = loader.prepare_all(loader.read_all(watched()), lambda picture: picture.width)
        next(results)
        time.sleep(0.1)
        assert len(reached) <= 4 + 1 + 2 * 4 + 1
        results.close()


def test_the_threads_work_on_while_results_are_not_taken(sources):
    done = threading.Event()
    finished = []

    def prepare(picture):
        finished.append(picture.width)
        if len(finished) == 8:
            done.set()
        return picture.width

    with PictureLoader(workers=2, ahead=10) as loader:
        results = loader.prepare_all(loader.read_all(sources), prepare)
        next(results)
        assert done.wait(10)
        results.close()


def test_pictures_decoded_at_one_time_take_no_more_memory_than_one_may(tmp_path, saved):
    (tmp_path / "a.png").write_bytes(saved(Image.new("RGB", (100, 100)), "PNG"))
    (tmp_path / "small.png").write_bytes(saved(Image.new("RGB", (10, 10)), "PNG"))
    inside, most = [], []
    lock = threading.Lock()

    def prepare(picture):
        with lock:
            inside.append(picture.width**2 * 4)
            most.append(sum(inside))
        time.sleep(0.01)
        with lock:
            inside.remove(picture.width**2 * 4)

    limits = PictureLimits(max_pixels=10_000)
    names = ["a.png", "a.png", "small.png", "a.png", "small.png", "small.png"] * 3
    with PictureLoader(limits, workers=6) as loader:
        sources = [PictureSource(name, tmp_path) for name in names]
        assert list(loader.prepare_all(loader.read_all(sources), prepare)) == [None] * len(names)
    assert max(most) <= limits.max_memory


def test_what_prepare_raises_comes_out_at_its_place(sources):
    def fail(picture):
        if picture.width == 10:
            raise ZeroDivisionError
        return picture.width

    with PictureLoader() as loader:
        results = loader.prepare_all(loader.read_all(sources), fail)
        assert [next(results), next(results)] == [8, 9]
        with pytest.raises(ZeroDivisionError):
            next(results)


def test_an_address_is_refused_without_a_fetcher_and_fetched_with_one(tmp_path, saved):
    class Given:
        def fetch(self, url):
            return saved(Image.new("RGB", (len(url), 1)), "PNG")

    source = PictureSource("https://example.org/a.png", tmp_path)
    with PictureLoader() as loader:
        assert widths(loader.read_all([source])) == ["url_refused"]
    with PictureLoader(fetcher=Given()) as loader:
        assert loader.decode(loader.read(source)).width == len(source.reference)


def test_files_of_further_folders_may_be_read(tmp_path, saved):
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "a.png").write_bytes(saved(Image.new("RGB", (5, 5)), "PNG"))
    source = PictureSource(str(photos / "a.png"), tmp_path / "rows")
    with PictureLoader() as loader:
        assert widths(loader.read_all([source])) == ["picture_outside"]
    with PictureLoader(roots=[photos]) as loader:
        assert loader.decode(loader.read(source)).size == (5, 5)


def test_closing_ends_the_threads(sources):
    before = threading.active_count()
    with PictureLoader(workers=4) as loader:
        next(loader.prepare_all(loader.read_all(sources), lambda picture: picture.width))
        assert threading.active_count() > before
    assert threading.active_count() == before

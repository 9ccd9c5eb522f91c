import logging
import sys
import threading
import warnings

import numpy as np
import pytest
from PIL import Image, ImageFile

from nearclass.pictures.decode import decode, examine, pixels
from nearclass.pictures.limits import PictureLimits
from nearclass.pictures.quiet import quiet

LIMITS = PictureLimits()
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def corners(picture):
    right, bottom = picture.width - 3, picture.height - 3
    return [picture.getpixel(place) for place in ((2, 2), (right, 2), (right, bottom), (2, bottom))]


def near(found, expected):
    return np.abs(np.array(found, int) - np.array(expected, int)).max() <= 4


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_every_allowed_format_becomes_rgb_of_the_same_size(kind, four_corners, saved):
    options = {"quality": 100, "subsampling": 0} if kind == "JPEG" else {}
    picture = decode(saved(four_corners, kind, **options), LIMITS)
    assert (picture.mode, picture.size) == ("RGB", (40, 20))
    assert near(corners(picture), [RED, GREEN, BLUE, WHITE])


@pytest.mark.parametrize(
    ("turn", "expected"),
    {
        1: [RED, GREEN, BLUE, WHITE],
        2: [GREEN, RED, WHITE, BLUE],
        3: [BLUE, WHITE, RED, GREEN],
        4: [WHITE, BLUE, GREEN, RED],
        5: [RED, WHITE, BLUE, GREEN],
        6: [WHITE, RED, GREEN, BLUE],
        7: [BLUE, GREEN, RED, WHITE],
        8: [GREEN, BLUE, WHITE, RED],
    }.items(),
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_picture_is_set_upright_by_its_exif_orientation(turn, expected, kind, four_corners, saved):
    exif = Image.Exif()
    exif[0x0112] = turn
    options = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}.get(kind, {})
    picture = decode(saved(four_corners, kind, exif=exif, **options), LIMITS)
    assert picture.size == ((40, 20) if turn < 5 else (20, 40))
    assert near(corners(picture), expected)


def test_an_orientation_behind_the_pixels_of_a_png_counts(four_corners, saved):
    exif = Image.Exif()
    exif[0x0112] = 3
    whole = saved(four_corners, "PNG", exif=exif)
    start = whole.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(whole[start : start + 4])
    moved = whole[:start] + whole[end:-12] + whole[start:end] + whole[-12:]
    assert corners(decode(moved, LIMITS)) == [BLUE, WHITE, RED, GREEN]


def test_exif_that_cannot_be_read_leaves_the_picture_as_it_is_stored(four_corners, saved):
    broken = saved(four_corners, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff no directory there")
    assert decode(broken, LIMITS).size == (40, 20)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P"])
def test_what_is_transparent_is_white(mode, saved):
    picture = Image.new("RGBA", (40, 600), (10, 20, 30, 0))
    picture.paste((90, 90, 90, 255), (0, 0, 20, 600))
    if mode == "P":
        data = saved(picture.quantize(4), "PNG")
    elif mode == "PA":
        data = saved(picture, "GIF")
    else:
        data = saved(picture.convert(mode), "PNG")
    decoded = decode(data, LIMITS)
    assert near(decoded.getpixel((5, 590)), (90, 90, 90))
    assert near(decoded.getpixel((30, 590)), WHITE)


def test_half_transparent_is_mixed_with_white(saved):
    assert near(decode(saved(Image.new("RGBA", (9, 9), (0, 0, 0, 128)), "PNG"), LIMITS).getpixel((4, 4)), (127,) * 3)


def test_one_colour_that_stands_for_transparent_is_white(saved):
    picture = Image.new("RGB", (9, 9), RED)
    picture.paste(GREEN, (0, 0, 4, 9))
    decoded = decode(saved(picture, "PNG", transparency=RED), LIMITS)
    assert [decoded.getpixel((2, 2)), decoded.getpixel((7, 7))] == [GREEN, WHITE]


@pytest.mark.parametrize(("kind", "mode"), [("PNG", "I;16"), ("TIFF", "I;16"), ("TIFF", "I;16B")])
def test_16_bit_grey_is_scaled_and_not_cut_off(kind, mode, saved):
    values = np.linspace(0, 65535, 256, dtype=np.uint16).reshape(16, 16)
    order = ">u2" if mode == "I;16B" else "<u2"
    picture = Image.frombytes(mode, (16, 16), values.astype(order).tobytes())
    found = np.asarray(decode(saved(picture, kind), LIMITS))[..., 0]
    assert np.abs(found.astype(float) - values / 257).max() <= 1


def test_16_bit_colour_keeps_its_colours(saved):
    import struct
    import zlib

    row = b"\0" + struct.pack(">HHH", 65535, 32768, 0) * 8

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(row * 8)) + chunk(b"IEND", b"")
    assert near(decode(data, LIMITS).getpixel((3, 3)), (255, 128, 0))


def test_cmyk_becomes_rgb(saved):
    picture = Image.new("CMYK", (9, 9), (0, 255, 255, 0))
    assert near(decode(saved(picture, "TIFF"), LIMITS).getpixel((4, 4)), RED)
    red, green, blue = decode(saved(picture, "JPEG", quality=100), LIMITS).getpixel((4, 4))
    assert (red > 240, green < 15, blue < 15) == (True, True, True)


@pytest.mark.parametrize("mode", ["1", "L"])
def test_black_and_white_and_grey_become_rgb(mode, saved):
    picture = Image.new(mode, (9, 9), 255)
    picture.paste(0, (0, 0, 4, 9))
    decoded = decode(saved(picture, "PNG"), LIMITS)
    assert [decoded.getpixel((2, 2)), decoded.getpixel((7, 7))] == [(0, 0, 0), WHITE]


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF", "PNG"])
def test_only_the_first_frame_is_read(kind, saved):
    frames = [Image.new("RGB", (16, 16), colour) for colour in (RED, GREEN, BLUE)]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = saved(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert near(decode(data, LIMITS).getpixel((8, 8)), RED)


def test_the_format_is_known_by_the_content_and_others_are_refused(four_corners, saved, refused):
    assert decode(saved(four_corners, "PNG"), PictureLimits(formats=("PNG",))).size == (40, 20)
    with refused("not_a_picture", "of the formats PNG"):
        decode(saved(four_corners, "JPEG"), PictureLimits(formats=("PNG",)))
    with refused("not_a_picture"):
        decode(saved(four_corners, "ICO"), LIMITS)


def test_pixels_without_agreed_colours_are_refused_with_what_to_do(saved, refused):
    for mode in ("F", "I"):
        with refused("unsupported_picture", "Save it as 8-bit"):
            decode(saved(Image.new(mode, (9, 9), 7), "TIFF"), LIMITS)


def test_limits_are_checked_before_a_pixel_is_decoded(monkeypatch, four_corners, saved, refused):
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _self: pytest.fail("a pixel was decoded"))
    with refused("picture_too_large", "40 x 20 are 0.0 million pixels; at most 0.000799"):
        examine(saved(four_corners, "JPEG"), PictureLimits(max_pixels=799))
    with refused("picture_too_large", "at most 99"):
        examine(saved(four_corners, "JPEG"), PictureLimits(max_bytes=99))
    exif = Image.Exif()
    exif[0x0112] = 6
    with refused("picture_too_large", "to decode"):
        examine(saved(four_corners, "JPEG", exif=exif), PictureLimits(max_pixels=800))
    assert examine(saved(four_corners, "JPEG"), PictureLimits(max_pixels=800)).memory == 3200


@pytest.mark.parametrize(
    ("kind", "options", "bytes_per_pixel"),
    [
        ("JPEG", {}, 4),
        ("JPEG", {"progressive": True, "subsampling": 0}, 10),
        ("JPEG", {"progressive": True}, 7),
        ("PNG", {}, 4),
        ("WEBP", {}, 16),
    ],
)
def test_memory_is_estimated_by_format(kind, options, bytes_per_pixel, saved):
    assert examine(saved(Image.new("RGB", (16, 16)), kind, **options), LIMITS).memory == bytes_per_pixel * 256


def test_a_colour_profile_changes_no_pixel(four_corners, saved):
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    assert decode(saved(four_corners, "PNG", icc_profile=profile), LIMITS).tobytes() == four_corners.tobytes()


def test_no_pixel_of_a_jpeg_differs_from_what_pillow_decodes_in_full_size(saved):
    picture = Image.effect_noise((400, 300), 60).convert("RGB")
    data = saved(picture, "JPEG")
    import io

    assert decode(data, LIMITS).tobytes() == Image.open(io.BytesIO(data)).convert("RGB").tobytes()


def test_settings_of_pillow_are_as_they_were(four_corners, saved, refused):
    before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters))
    decode(saved(four_corners, "JPEG"), LIMITS)
    with refused("damaged_picture"):
        decode(saved(four_corners, "JPEG")[:-50], LIMITS)
    assert (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters)) == before


def test_a_bomb_is_refused_without_a_warning_and_warnings_of_others_come_through(saved, refused):
    data = saved(Image.new("1", (12_000, 9_000)), "PNG")
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with refused("picture_too_large"):
            decode(data, LIMITS)
        with quiet():
            warnings.warn("of somebody else", UserWarning, stacklevel=1)
    assert [str(one.message) for one in seen] == ["of somebody else"]


def test_warnings_are_silent_until_the_last_thread_has_left(monkeypatch):
    inside, leave = threading.Event(), threading.Event()

    def stay():
        with quiet():
            inside.set()
            leave.wait(10)

    before = list(warnings.filters)
    other = threading.Thread(target=stay)
    other.start()
    inside.wait(10)
    with quiet():
        pass
    assert len(warnings.filters) == len(before) + 1
    leave.set()
    other.join(10)
    assert warnings.filters == before
    assert not logging.getLogger("PIL").handlers


def test_reading_a_header_loads_no_pixels_and_pixels_come_after(four_corners, saved):
    examined = examine(saved(four_corners, "PNG"), LIMITS)
    assert examined.image.size == (40, 20)
    assert pixels(examined).tobytes() == four_corners.tobytes()


def test_importing_the_package_imports_neither_torch_nor_a_network():
    import subprocess

    code = "import sys, nearclass.pictures.load; print([n for n in ('torch', 'open_clip', 'pymilvus') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

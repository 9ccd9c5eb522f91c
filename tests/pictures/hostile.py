"""Pictures that are meant to break whoever reads them: made in one process, read in another that is measured.

``python hostile.py FOLDER`` reads what ``make`` left in the folder and prints what became of each, one JSON object.
"""

import io
import json
import os
import socket
import struct
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageDraw

Made = tuple[str, str]

LIMIT_BYTES = 2_000_000


def chunk(kind: bytes, data: bytes, *, crc: int | None = None, length: int | None = None) -> bytes:
    check = zlib.crc32(kind + data) if crc is None else crc
    return struct.pack(">I", len(data) if length is None else length) + kind + data + struct.pack(">I", check)


def png(
    width: int, height: int, *, depth: int = 8, colour: int = 2, rows: bytes | None = None, extra: bytes = b""
) -> bytes:
    """A PNG of zeros; the data are packed row by row, so that making it takes no memory."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    packer = zlib.compressobj(1)
    row = bytes(1 + (width * channels * depth + 7) // 8)
    data = (
        b"".join([*(packer.compress(row) for _ in range(height)), packer.flush()])
        if rows is None
        else zlib.compress(rows)
    )
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def photo(size: tuple[int, int] = (160, 120), mode: str = "RGB") -> Image.Image:
    picture = Image.linear_gradient("L").resize(size).convert("RGB")
    ImageDraw.Draw(picture).ellipse((10, 10, size[0] - 20, size[1] - 30), fill=(200, 30, 60))
    return picture.convert(mode)


def saved(kind: str, picture: Image.Image | None = None, **options: object) -> bytes:
    buffer = io.BytesIO()
    (picture or photo()).save(buffer, kind, **options)
    return buffer.getvalue()


def tiff(tags: dict[int, tuple[int, int, int]], data: bytes = b"\0" * 64, *, following: int = 0) -> bytes:
    """A little-endian TIFF with these tags: kind, count and value of each."""
    body = b"".join(struct.pack("<HHII", tag, *entry) for tag, entry in sorted(tags.items()))
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags)) + body + struct.pack("<I", following) + data


def tiff_tags(width: int, height: int, **other: tuple[int, int, int]) -> dict[int, tuple[int, int, int]]:
    names = {"compression": 259, "rows": 278, "tile_width": 322, "tile_height": 323, "offsets": 273, "samples": 277}
    tags = {
        256: (4, 1, width), 257: (4, 1, height), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 1),
        273: (4, 1, 200), 277: (3, 1, 1), 278: (4, 1, height), 279: (4, 1, 64),
    }  # fmt: skip
    return tags | {names[name]: value for name, value in other.items()}


def bmp(width: int, height: int, *, bits: int = 24, compression: int = 0, data: bytes = b"\0" * 64) -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(data), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(data), 0, 0, 54) + head + data


def gif(screen: tuple[int, int], frame: tuple[int, int, int, int], data: bytes = b"\x02\x02\x4c\x01\x00") -> bytes:
    head = b"GIF89a" + struct.pack("<HHBBB", *screen, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    return head + b"," + struct.pack("<HHHHB", *frame, 0) + data + b";"


def webp_header(width: int, height: int) -> bytes:
    body = b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + struct.pack("<I", width - 1)[:3]
    body += struct.pack("<I", height - 1)[:3]
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def scans(count: int) -> bytes:
    """A progressive JPEG whose last scan comes again and again."""
    whole = saved("JPEG", photo((640, 480)), progressive=True)
    last = whole.rindex(b"\xff\xda")
    return whole[:-2] + whole[last:-2] * count + b"\xff\xd9"


def sof(data: bytes, width: int, height: int) -> bytes:
    """The JPEG with another size in its header."""
    at = next(index for index in range(len(data)) if data[index : index + 2] in {b"\xff\xc0", b"\xff\xc2"})
    return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]


def broken_contents() -> Iterator[tuple[str, bytes, str]]:
    """Name, content and reason of files that are no picture, or a damaged one."""
    jpeg, whole = saved("JPEG"), saved("PNG")
    yield "empty.jpg", b"", "damaged_picture"
    yield "one-byte.jpg", b"\xff", "not_a_picture"
    yield "text.jpg", b"This is no picture.\n", "not_a_picture"
    yield "page.png", b"<!doctype html><title>404</title>", "not_a_picture"
    yield "drawing.svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>', "not_a_picture"
    yield "paper.pdf", b"%PDF-1.7\n%%EOF", "not_a_picture"
    yield "script.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) print", "not_a_picture"
    yield "icon.jpg", saved("ICO"), "not_a_picture"
    yield "jpeg2000.jpg", saved("JPEG2000"), "not_a_picture"
    yield "avif.jpg", saved("AVIF"), "not_a_picture"
    yield "tga.jpg", saved("TGA"), "not_a_picture"
    yield "ppm.jpg", saved("PPM"), "not_a_picture"
    yield "pcx.jpg", saved("PCX"), "not_a_picture"
    yield "psd.jpg", b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 60000, 60000, 8, 3) + bytes(99), "not_a_picture"
    yield "fits.jpg", b"SIMPLE  =                    T".ljust(2880), "not_a_picture"
    yield "zip.jpg", b"PK\3\4" + bytes(60), "not_a_picture"
    yield "gzip.jpg", b"\x1f\x8b\x08" + bytes(60), "not_a_picture"
    yield "random.jpg", bytes((index * 7919 + 13) % 256 for index in range(5000)), "not_a_picture"
    yield "half.jpg", jpeg[: len(jpeg) // 2], "damaged_picture"
    yield "no-end.jpg", jpeg[:-200], "damaged_picture"
    yield "head.jpg", jpeg[:12], "damaged_picture"
    yield "signature.jpg", b"\xff\xd8\xff", "damaged_picture"
    yield "no-scan.jpg", jpeg[: jpeg.index(b"\xff\xda")] + b"\xff\xd9", "damaged_picture"
    yield "half.png", whole[: len(whole) // 2], "damaged_picture"
    yield "head.png", whole[:20], "damaged_picture"
    yield "signature.png", whole[:8], "damaged_picture"
    yield "bad-crc.png", whole.replace(b"IDAT", b"IDAT\0", 1)[: len(whole)], "damaged_picture"
    yield "bad-head-crc.png", whole[:29] + b"\0\0\0\0" + whole[33:], "damaged_picture"
    yield "zero.png", png(0, 0), "damaged_picture"
    yield "no-height.png", png(9, 0), "damaged_picture"
    yield "no-data.png", whole[:33] + chunk(b"IEND", b""), "damaged_picture"
    yield "long-chunk.png", whole[:33] + chunk(b"tEXt", b"a\0b", length=0x7FFFFFFF), "damaged_picture"
    yield "half.gif", saved("GIF")[:200], "damaged_picture"
    yield "no-frame.gif", gif((9, 9), (0, 0, 9, 9))[:20], "damaged_picture"
    yield "garbage.gif", gif((64, 64), (0, 0, 64, 64), b"\x08\xff" + b"\xff" * 255 + b"\0"), "damaged_picture"
    yield "half.bmp", saved("BMP")[:900], "damaged_picture"
    yield "no-width.bmp", bmp(0, 9), "damaged_picture"
    yield "negative.bmp", bmp(-9, 9), "picture_too_large"
    yield "odd-bits.bmp", bmp(9, 9, bits=77), "damaged_picture"
    yield "half.webp", saved("WEBP")[:200], "damaged_picture"
    yield "head.webp", webp_header(9, 9), "damaged_picture"
    yield "half.tiff", saved("TIFF")[:5000], "damaged_picture"
    yield "beyond.tiff", tiff(tiff_tags(8, 8, offsets=(4, 1, 4_000_000_000))), "damaged_picture"
    yield "no-tags.tiff", tiff({}), "damaged_picture"
    yield "many-values.tiff", tiff(tiff_tags(8, 8, offsets=(4, 0xFFFFFFFF, 200))), "damaged_picture"
    yield "samples.tiff", tiff(tiff_tags(8, 8, samples=(3, 1, 60000))), "damaged_picture"
    yield "float.tiff", saved("TIFF", photo(mode="F")), "unsupported_picture"
    yield "integer.tiff", saved("TIFF", photo(mode="I")), "unsupported_picture"


def bombs() -> Iterator[tuple[str, bytes, str]]:
    """Name, content and reason of small files that would take much memory or time."""
    jpeg = saved("JPEG")
    packed = zlib.compress(bytes(100_000_000), 9)
    yield "sides.png", png(65535, 65535, rows=b""), "picture_too_large"
    yield "most.png", png(0x7FFFFFFF, 0x7FFFFFFF, rows=b""), "picture_too_large"
    yield "hundred.png", png(10_000, 10_000, depth=1, colour=0), "picture_too_large"
    yield "alpha.png", png(7_000, 7_000, colour=6), "picture_too_large"
    yield "tall.png", png(1, 60_000_000, rows=b""), "picture_too_large"
    yield "profile.png", png(8, 8, extra=chunk(b"iCCP", b"x\0\0" + packed)), "damaged_picture"
    yield "words.png", png(8, 8, extra=chunk(b"zTXt", b"x\0\0" + packed)), "damaged_picture"
    yield (
        "many-words.png",
        png(8, 8, extra=200 * chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(900_000)))),
        "damaged_picture",
    )
    yield "sides.jpg", sof(jpeg, 65500, 65500), "picture_too_large"
    yield "scans.jpg", scans(2000), "picture_too_large"
    yield "progressive.jpg", sof(saved("JPEG", progressive=True, subsampling=0), 6500, 6500), "picture_too_large"
    yield "screen.gif", gif((65535, 65535), (0, 0, 65535, 65535)), "picture_too_large"
    yield "frame.gif", gif((9, 9), (0, 0, 60000, 60000)), "picture_too_large"
    yield "sides.bmp", bmp(60_000, 60_000), "picture_too_large"
    yield "runs.bmp", bmp(60_000, 60_000, bits=8, compression=1), "picture_too_large"
    yield "sides.webp", webp_header(16_383, 16_383), "picture_too_large"
    yield "plain.webp", saved("WEBP", Image.new("RGB", (6000, 4000)), lossless=True, method=0), "picture_too_large"
    yield "sides.tiff", tiff(tiff_tags(60_000, 60_000)), "picture_too_large"
    tiles = {"tile_width": (4, 1, 65_536), "tile_height": (4, 1, 32_768), "compression": (3, 1, 8)}
    yield "tiles.tiff", tiff(tiff_tags(64, 64, **tiles)), "picture_too_large"
    deflated = zlib.compress(bytes(64 * 64), 9)
    strip = tiff_tags(7000, 7000, compression=(3, 1, 8), rows=(4, 1, 7000))
    yield "strip.tiff", tiff(strip, bytes(100) + deflated), "damaged_picture"
    loop = tiff(tiff_tags(8, 8, offsets=(4, 1, 130)), bytes(300), following=8)
    yield "loop.tiff", loop, ""
    yield "bytes.jpg", jpeg + bytes(LIMIT_BYTES), "picture_too_large"


def harmless() -> Iterator[tuple[str, bytes, str]]:
    """Name and content of files that look odd, and are taken."""
    jpeg = saved("JPEG")
    exif = Image.Exif()
    exif[0x0112] = 6
    yield "png-inside.jpg", saved("PNG"), ""
    yield "no-ending", jpeg, ""
    yield "trailing.jpg", jpeg + b"<?php system('id'); ?>" * 100, ""
    yield "upside.jpg", saved("JPEG", exif=exif), ""
    yield "broken-exif.jpg", saved("JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff garbage"), ""
    yield "odd-turn.jpg", jpeg[:2] + b"\xff\xe1" + struct.pack(">H", 34) + b"Exif\0\0" + orientation(99) + jpeg[2:], ""
    # Nothing in the file is missing: the decoder cannot tell that it should hold more.
    yield "few-rows.png", png(64, 64, rows=bytes(193 * 3)), ""
    yield "more-rows.jpg", sof(jpeg, 160, 60_000), ""
    yield "cmyk.jpg", saved("JPEG", photo(mode="CMYK")), ""
    yield "large.png", png(7_000, 7_000), ""
    yield "large-alpha.png", png(5_500, 5_500, colour=6), ""
    yield "large.webp", saved("WEBP", Image.new("RGB", (3_900, 3_900)), method=0), ""
    yield "large-scans.jpg", saved("JPEG", Image.new("RGB", (5_900, 5_900)), progressive=True), ""
    yield "large-turned.jpg", saved("JPEG", Image.new("RGB", (5_500, 5_500)), exif=exif), ""
    yield "large-grey.png", png(4_700, 4_700, depth=16, colour=0), ""


def orientation(value: int) -> bytes:
    return b"MM\0*\0\0\0\x08\0\x01" + struct.pack(">HHIHH", 0x0112, 3, 1, value, 0) + bytes(4)


def references(folder: Path) -> Iterator[Made]:
    """Reference and reason, for what leads to no file that may be read."""
    outside = folder.parent / "outside"
    outside.mkdir()
    (outside / "secret.jpg").write_bytes(saved("JPEG"))
    (folder / "good.jpg").write_bytes(saved("JPEG"))
    (folder / "below").mkdir()
    for name, target in {
        "link.jpg": outside / "secret.jpg",
        "link-up.jpg": Path("../outside/secret.jpg"),
        "linked": outside,
        "second.jpg": Path("link.jpg"),
        "device.jpg": Path("/dev/zero"),
        "self.jpg": Path("/proc/self/mem"),
    }.items():
        (folder / name).symlink_to(target)
        yield name if name != "linked" else "linked/secret.jpg", "picture_outside"
    (folder / "loop.jpg").symlink_to("loop.jpg")
    (folder / "nowhere.jpg").symlink_to("nothing.jpg")
    (folder / "near.jpg").symlink_to("below/../good.jpg")
    os.mkfifo(folder / "pipe.jpg")
    # From within the folder: the path of a socket may have a hundred characters only.
    with socket.socket(socket.AF_UNIX) as made:
        here = Path.cwd()
        os.chdir(folder)
        made.bind("socket.jpg")
        os.chdir(here)
    yield from (("near.jpg", ""), ("below/../good.jpg", ""), ("./good.jpg", ""), (str(folder / "good.jpg"), ""))
    yield from {
        "loop.jpg": "unreadable_picture",
        "nowhere.jpg": "missing_picture",
        "pipe.jpg": "not_a_file",
        "socket.jpg": "not_a_file",
        "below": "not_a_file",
        ".": "not_a_file",
        "good.jpg/": "",
        "good.jpg/more.jpg": "missing_picture",
        "absent.jpg": "missing_picture",
        "": "bad_reference",
        "  ": "bad_reference",
        "good.jpg\0.png": "bad_reference",
        "\ud800.jpg": "bad_reference",
        "x" * 5000 + ".jpg": "unreadable_picture",
        "file:///etc/passwd": "bad_reference",
        "FILE:good.jpg": "bad_reference",
        "data:image/png;base64,AAAA": "bad_reference",
        "ftp://example.org/a.jpg": "bad_reference",
        "gopher://example.org:70/a": "bad_reference",
        "../outside/secret.jpg": "picture_outside",
        "below/../../outside/secret.jpg": "picture_outside",
        "..": "picture_outside",
        "/etc/passwd": "picture_outside",
        "/dev/zero": "picture_outside",
        str(outside / "secret.jpg"): "picture_outside",
        str(folder) + "-other/a.jpg": "picture_outside",
        "http://example.org/a.jpg": "url_refused",
        "HTTPS://user:word@example.org/a.jpg": "url_refused",
    }.items()


def make(folder: Path) -> dict[str, str]:
    """All of them in the folder; what is to become of each: a code, or nothing where it is taken."""
    expected = dict(references(folder))
    for source in (broken_contents, bombs, harmless):
        for name, content, code in source():
            (folder / name).write_bytes(content)
            expected[name] = code
    return expected


def peak_kb() -> int:
    """The most memory this process has had, in KiB, as Linux counts it."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


def main(folder: Path, names: list[str]) -> None:
    from nearclass.errors import PictureError
    from nearclass.pictures.limits import PictureLimits
    from nearclass.pictures.load import PictureLoader, PictureSource

    loader = PictureLoader(PictureLimits(max_bytes=LIMIT_BYTES))
    loader.decode(loader.read(PictureSource("good.jpg", folder)))
    found, before = {}, peak_kb()
    for name in names:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak counts anew
        start = time.perf_counter()
        try:
            picture = loader.decode(loader.read(PictureSource(name, folder)))
            code, said = "", f"{picture.mode} {picture.size}"
        except PictureError as error:
            code, said = error.code, error.message
            picture = None
        found[name] = (code, said, time.perf_counter() - start, peak_kb() - before)
        del picture
    loader.close()
    threads = [one.name for one in threading.enumerate()]
    print(json.dumps({"found": found, "threads": threads}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.stdin.read()))

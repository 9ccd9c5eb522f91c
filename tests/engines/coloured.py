"""Pictures of one colour each, which any encoder of pictures tells apart."""

from PIL import Image

__all__ = ["COLOURS", "save", "save_all"]

COLOURS = {"red": (200, 30, 30), "green": (20, 180, 60), "blue": (30, 40, 210), "grey": (90, 90, 90)}


def save(path, colour, width=40):
    """Write one picture, and give its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, 30), colour).save(path)
    return path


def save_all(folder):
    """Write a picture of each colour, ``red.png`` and so on, and give the folder."""
    for name, colour in COLOURS.items():
        save(folder / f"{name}.png", colour)
    return folder

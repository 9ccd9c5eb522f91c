"""Runs the tour in a folder, and writes its reports."""

from pathlib import Path

from ..catalog import Catalog
from ..reports.evaluation import write_evaluation
from ..settings import LoadedSettings, Settings
from .folder import DemoFolder
from .narration import Narration
from .narrator import Narrator
from .report import write_story
from .story import Story
from .tour import Tour

__all__ = ["run_demo"]


def run_demo(path: str | Path, loaded: LoadedSettings, *, keep: bool = True, narrator: Narrator | None = None) -> Story:
    """Take the tour, and write ``report.html`` and ``evaluation.html``; what was seen on it.

    Args:
        path: Folder to do it in: new, empty or of an earlier demo.
        loaded: How to encode; where the user's own catalogue is does not matter.
        keep: Whether the database stays when it is over.
        narrator: Writes to standard output by default.

    Raises:
        UsageError: The folder holds something else, or cannot be written.
        StoreLockedError: Another process has the database of an earlier demo open.
        ModelNotFoundError: The encoder is not on this machine and cannot be fetched.
    """
    folder = DemoFolder(Path(path).expanduser())
    command = _command(loaded)
    say = Narration(narrator or Narrator(), command)
    folder.prepare()
    say.welcome(folder)
    with Catalog.open(settings=_own(loaded.settings, folder)) as catalog:
        story = Tour(catalog, folder, say).take()
    write_evaluation(folder.evaluation, story.figures, story.judged, story.labelled, story.taxonomy)
    write_story(folder.report, story, command)
    if not keep:
        folder.leave_only_reports()
    say.finished(folder, story.seconds, keep=keep)
    return story


def _own(settings: Settings, folder: DemoFolder) -> Settings:
    """The user's settings, but for the place: a database in the folder."""
    place = {
        "uri": str(folder.database),
        "catalog": "default",
        "token": None,
        "database": None,
        "tls_ca": None,
    }
    return settings.model_copy(update=place)


def _command(loaded: LoadedSettings) -> str:
    """What to type so that the commands find the demo's database from within its folder."""
    default = all(loaded.origins[name] == "default" for name in ("uri", "catalog"))
    return "nearclass" if default else "nearclass --uri nearclass.db --catalog default"

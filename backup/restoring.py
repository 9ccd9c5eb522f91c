"""A backup into a catalogue."""

from collections.abc import Callable

from ..store import Store
from ..store.copying import CatalogWriter
from .reading import Backup

__all__ = ["restore"]


def restore(store: Store, catalog: str, backup: Backup, on_rows: Callable[[int], None] = lambda _: None) -> None:
    """Write a backup into a catalogue that is empty, and return when it can be opened.

    Cut off at any moment, it leaves a catalogue that no command opens; the same call goes on with the file that was
    being written. With another backup, it begins anew.

    Args:
        store: Where the catalogue is to be.
        catalog: Its name, which may be another than the one that was backed up.
        backup: The backup.
        on_rows: Called with the number of rows after each page, also for those that are there already.

    Raises:
        BackupError: A row cannot be one of ours.
        StoreError: There is something in the catalogue, or it has not as many rows as were written.
    """
    manifest = backup.manifest
    writer = CatalogWriter(store, catalog)
    done = writer.begin(manifest.sha256, manifest.label, backup.spaces)
    number = 0
    for table, entry in backup.tables:
        for file in entry.files:
            number += 1
            if number <= done:
                on_rows(file.rows)
                continue
            for rows in backup.rows(table, file):
                writer.write(table, rows)
                on_rows(len(rows))
            writer.done(number, table)
    writer.finish([(table, entry.rows) for table, entry in backup.tables], backup.opening)

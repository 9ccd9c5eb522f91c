"""What became of the rows of a run."""

from dataclasses import dataclass

from .pending import ChunkResult

__all__ = ["Counts"]


@dataclass(slots=True)
class Counts:
    """What became of the rows: ok + unchanged + rejected == read.

    Attributes:
        read: Rows of the sources, good and bad.
        ok: Stored, or replaced by a later row of the same id.
        unchanged: Stored before with the same content.
        rejected: Written to the rejects file with a reason.
        duplicates: Those of ``ok`` that a later row of the same chunk replaced.
        embedded: Texts that went through the encoder.
        pictures: Pictures that did.
        truncated: Texts that were longer than the encoder reads.
        reassigned: Those of ``unchanged`` that were answered anew, because the taxonomy has changed.
    """

    read: int = 0
    ok: int = 0
    unchanged: int = 0
    rejected: int = 0
    duplicates: int = 0
    embedded: int = 0
    truncated: int = 0
    reassigned: int = 0
    pictures: int = 0

    def add(self, result: ChunkResult) -> None:
        """Add what became of one chunk; its rows count as read already."""
        self.ok += result.ok
        self.unchanged += result.unchanged
        self.duplicates += result.duplicates
        self.embedded += result.embedded
        self.pictures += result.pictures
        self.truncated += result.truncated
        self.reassigned += result.reassigned

    def plus(self, other: "Counts") -> "Counts":
        """The sum of both."""
        return Counts(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))

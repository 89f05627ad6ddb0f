"""A desk at which one person reviews: what is handed out next, to nobody else for a while, and what is done.

Each tab of a person gets something else, and so do people whose servers are processes of their own. Handed out is what
nobody has read; of a share of that what one other person has read, without their answer; and what two others have read
and do not agree on.
"""

import copy
import itertools
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tasks.errors import UsageError
from tasks.reviewing.answers import DIGITS, NO_DIGIT, SKIPPED, TAKEN_BACK, Answer, Leases, Log, readers
from tasks.reviewing.items import UNREAD, Items

LEASE = 300  # seconds for which what a tab was given is not given to another
WALL = 100  # images on a wall


@dataclass(frozen=True)
class Progress:
    """How far a person is. left: images to read. read: by them, skipped ones included, `changed` of them with another
    answer than the model's. open: images left by the model's answer, for walls.
    """

    left: int
    read: int
    changed: int
    open: dict[int, int]


class Desk:
    """The desk of one reviewer; not to be used by two threads at once.

    second: share of what others have read that this person reads as well, 0–1. audit: how many of those that were not
    to be reviewed are among the others.
    """

    def __init__(self, items: Items, log: Log, reviewer: str, second: float = 0, audit: int = 0) -> None:
        """Raises: UsageError if there is nothing to review."""
        self.items, self.log, self.reviewer, self._second = items, log, reviewer, second
        self._order = items.order(audit)
        if not len(self._order):
            raise UsageError(
                "nothing is to be reviewed of these scores",
                remedy="look at some of those that the model is sure of by --audit 300, or score with a higher "
                "--review-below",
            )
        # The same for every reviewer: who reads first does not decide what is read twice.
        drawn = np.random.default_rng(len(items.rows)).random(len(items.rows))
        self._twice = drawn < second
        self._ordered = set(self._order.tolist())
        self._labels = Counter(self.items.labels[self._order].tolist())
        self._index = {row: index for index, row in enumerate(items.rows.tolist())}
        self._of_tabs: Leases = {}
        self._count_anew()

    def _count_anew(self) -> None:
        """Begin to count: of the log's lines so many; of what this person has read, by index, whether they changed it;
        and what is not to be read any more.
        """
        self._counted = 0
        self._own: dict[int, bool] = {}
        self._closed: set[int] = set()

    def next(self, tab: str, count: int) -> list[int]:
        """Hand out up to so many items, as indices, in their order. tab: who asks."""
        self.log.refresh()
        return self._lease(tab, self._order.tolist(), count)

    def wall(self, tab: str, label: int | None) -> tuple[int | None, list[int]]:
        """Hand out a wall: the label, the one with most images left where none is named, and its surest items.

        Those for an audit are strewn in among them, surest or not: half a wall is a fair sample, too.
        """
        self.log.refresh()
        left = self.progress().open
        if label is None and left:
            label = max(left, key=lambda digit: left[digit])
        if label is None:
            return None, []
        surest = self._order[self.items.labels[self._order] == label][::-1]
        return label, self._lease(tab, surest.tolist(), WALL)

    def answer(self, answers: Mapping[int, Answer]) -> None:
        """Save answers, by index, given together. Raises: UsageError for an unknown item or answer, StoreError."""
        for index, answer in answers.items():
            if not 0 <= index < len(self.items.rows) or answer not in (*DIGITS, NO_DIGIT, SKIPPED):
                raise UsageError("this is no answer to an image of these scores", received=f"{index}: {answer}"[:100])
        self.log.add(
            {int(self.items.rows[index]): (self.id(index), answer) for index, answer in answers.items()}, self.reviewer
        )

    def take_back(self) -> list[int]:
        """Take back all that this person answered together last; return the items. Raises: StoreError."""
        self.log.refresh()
        last = [entry for entry in self.log.last_of(self.reviewer) if entry.row in self._index]
        if last:
            self.log.add({entry.row: (entry.id, TAKEN_BACK) for entry in last}, self.reviewer)
        return [self._index[entry.row] for entry in last]

    def progress(self) -> Progress:
        """Count what is left and done; looked at is only what was answered since the last time."""
        if self._counted > len(self.log.rows):  # another file of this name
            self._count_anew()
        for row in set(self.log.rows[self._counted :]) & self._index.keys():
            index, by_name = self._index[row], self.log.readings.get(row, {})
            self._own.pop(index, None)
            if self.reviewer in by_name:
                self._own[index] = by_name[self.reviewer].answer not in (str(self.items.labels[index]), SKIPPED)
            self._closed.discard(index)
            if index in self._ordered and not self._is_open(index):
                self._closed.add(index)
        self._counted = len(self.log.rows)
        # Counted from all, which is done once: of 40,000 images few are read as yet.
        left = self._labels - Counter(self.items.labels[list(self._closed)].tolist())
        open_labels = {label: count for label, count in sorted(left.items()) if label != UNREAD}
        return Progress(left.total(), len(self._own), sum(self._own.values()), open_labels)

    def id(self, index: int) -> str:
        """Return what people call an item: the number of its row, or the name of its file."""
        return str(self.items.ids[index].as_py())

    def at(self, reviewer: str) -> "Desk":
        """Return the desk of somebody else, with the same images."""
        desk = copy.copy(self)
        desk.reviewer, desk._of_tabs = reviewer, {}
        desk._count_anew()
        return desk

    def _lease(self, tab: str, indices: Sequence[int], count: int) -> list[int]:
        with self.log.leases() as of_people:
            until, rows = time.time() + LEASE, self.items.rows
            free = (
                index
                for index in indices
                if self._is_open(index)
                and _is_free(index, tab, self._of_tabs)
                and _is_free(int(rows[index]), self.reviewer, of_people)
            )
            leased = list(itertools.islice(free, count))
            self._of_tabs |= dict.fromkeys(leased, (tab, until))
            of_people |= dict.fromkeys(rows[leased].tolist(), (self.reviewer, until))
        return leased

    def _is_open(self, index: int) -> bool:
        by_name = self.log.readings.get(int(self.items.rows[index]))
        if not by_name:
            return True
        if self.reviewer in by_name:
            return False
        read = readers(by_name)
        if len(read) == 2:
            return read[0].answer != read[1].answer
        return not read or (len(read) == 1 and bool(self._twice[index]))


def _is_free(index: int, holder: str, leases: Leases) -> bool:
    other, until = leases.get(index, (holder, 0.0))
    return other == holder or until < time.time()

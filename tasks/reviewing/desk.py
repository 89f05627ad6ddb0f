"""A desk at which one person reviews: what is handed out next, to each tab of theirs something else, and what is done.

Handed out is what nobody has read; of a share of that what one other person has read, without their answer; and what
two others have read and do not agree on.
"""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tasks.errors import UsageError
from tasks.reviewing.answers import DIGITS, NO_DIGIT, SKIPPED, TAKEN_BACK, Answer, Log, readers
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
        self._index = {row: index for index, row in enumerate(items.rows.tolist())}
        self._leases: dict[int, tuple[str, float]] = {}

    def next(self, tab: str, count: int) -> list[int]:
        """Hand out up to so many items, as indices, in their order. tab: who asks."""
        self.log.refresh()
        return self._lease(tab, self._order.tolist(), count)

    def wall(self, tab: str, label: int | None) -> tuple[int | None, list[int]]:
        """Hand out a wall: the label, the one with most images left where none is named, and its surest items."""
        self.log.refresh()
        left = self.progress().open
        if label is None and left:
            label = max(left, key=lambda digit: left[digit])
        same = self._order[self.items.labels[self._order] == (UNREAD if label is None else label)]
        surest = same[np.argsort(-self.items.confidence[same], kind="stable")]
        return label, [] if label is None else self._lease(tab, surest.tolist(), WALL)

    def answer(self, answers: Mapping[int, Answer]) -> None:
        """Save answers, by index, given together. Raises: UsageError for an unknown item or answer, StoreError."""
        for index, answer in answers.items():
            if not 0 <= index < len(self.items.rows) or answer not in (*DIGITS, NO_DIGIT, SKIPPED):
                raise UsageError("this is no answer to an image of these scores", received=f"{index}: {answer}"[:100])
        self.log.add(
            {int(self.items.rows[index]): (self.id(index), answer) for index, answer in answers.items()}, self.reviewer
        )
        for index in answers:
            self._leases.pop(index, None)

    def take_back(self) -> list[int]:
        """Take back all that this person answered together last; return the items. Raises: StoreError."""
        self.log.refresh()
        last = [entry for entry in self.log.last_of(self.reviewer) if entry.row in self._index]
        if last:
            self.log.add({entry.row: (entry.id, TAKEN_BACK) for entry in last}, self.reviewer)
        return [self._index[entry.row] for entry in last]

    def progress(self) -> Progress:
        """Count what is left and done."""
        left = [index for index in self._order.tolist() if self._is_open(index)]
        labels = Counter(self.items.labels[left].tolist())
        labels.pop(UNREAD, None)
        own = [
            (self._index[row], by_name[self.reviewer].answer)
            for row, by_name in self.log.readings.items()
            if self.reviewer in by_name and row in self._index
        ]
        changed = sum(answer not in (str(self.items.labels[index]), SKIPPED) for index, answer in own)
        return Progress(len(left), len(own), changed, dict(sorted(labels.items())))

    def id(self, index: int) -> str:
        """Return what people call an item: the number of its row, or the name of its file."""
        return str(self.items.ids[index].as_py())

    def _lease(self, tab: str, indices: Sequence[int], count: int) -> list[int]:
        now = time.monotonic()
        leased: list[int] = []
        for index in indices:
            if len(leased) == count:
                break
            holder, until = self._leases.get(index, (tab, 0.0))
            if (holder == tab or until < now) and self._is_open(index):
                self._leases[index] = tab, now + LEASE
                leased.append(index)
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

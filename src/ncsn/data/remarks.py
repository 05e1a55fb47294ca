"""What `prepare` reports about the user's data: passed over, converted, and whatever else."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Remarks:
    """Counts by kind, which grow while images are read, and whole sentences.

    A kind is written as `.gif` or as `broken link(s)`, where `(s)` becomes singular or plural.
    """

    passed_over: Counter[str] = field(default_factory=Counter)
    converted: Counter[str] = field(default_factory=Counter)
    sentences: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Returns the lines of the report.

        >>> Remarks(Counter({".gif": 12, "broken link(s)": 1})).lines()
        ['passed over: 12 .gif, 1 broken link']
        """
        counted = {"passed over": self.passed_over, "converted": self.converted}
        lines = [f"{verb}: {_listed(counts)}" for verb, counts in counted.items() if counts]
        return lines + self.sentences


def _listed(counts: Counter[str]) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{n:,} {kind.replace('(s)', 's' * (n != 1))}" for kind, n in ordered)

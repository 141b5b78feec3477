"""What a person corrects in the names that a model gives."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from napari_acll.core._errors import CorrectionError
from napari_acll.core._neurons import NeuronTable


class CorrectionKind(StrEnum):
    """What a correction does, from its volume on."""

    PIN = "pin"
    """A person vouches for the name: it is published and kept as pinned."""
    UNPIN = "unpin"
    """It is no longer pinned."""
    MUTE = "mute"
    """The name is not given any more."""
    UNMUTE = "unmute"
    """It is given again."""
    RENAME = "rename"
    """What is called `name` is called `new_name`."""
    SWAP = "swap"
    """What is called `name` is called `new_name`, and the other way round."""
    UNDO = "undo"
    """The last correction that holds is taken back."""
    REDO = "redo"
    """What was undone last holds again."""


_STEPS = (CorrectionKind.UNDO, CorrectionKind.REDO)
_ONE_NAME = {
    CorrectionKind.PIN: "{name} is pinned",
    CorrectionKind.UNPIN: "{name} is no longer pinned",
    CorrectionKind.MUTE: "the name {name} is not given any more",
    CorrectionKind.UNMUTE: "the name {name} is given again",
}
_TWO_NAMES = {
    CorrectionKind.RENAME: "what was called {name} is called {new_name}",
    CorrectionKind.SWAP: "{name} and {new_name} are swapped",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """One thing that a person corrected; also that a correction was taken back, or redone.

    Parameters
    ----------
    kind : CorrectionKind
        What it does.
    name : str
        The neuron, by the name that is given to it at that time; empty to undo and redo.
    new_name : str
        The other name, if there are two. To swap, empty stands for the partner on the other body
        side.
    from_index : int
        Number of the first volume for which it holds; the session sets it, -1 before.
    at_s : float
        Wall time, in s since 1970; the session sets it, NaN before.
    note : str
        Anything else.

    Raises
    ------
    ValueError
        If there is no such kind.

    Examples
    --------
    >>> Correction(kind=CorrectionKind.SWAP, name="AVAL", new_name="AVAR", from_index=7).sentence()
    'From volume 7 on, AVAL and AVAR are swapped.'
    """

    kind: CorrectionKind
    name: str = ""
    new_name: str = ""
    from_index: int = -1
    at_s: float = float("nan")
    note: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", CorrectionKind(self.kind))  # "swap" will do

    def sentence(self) -> str:
        """Return what it says, for people."""
        return f"From volume {self.from_index} on, {self.phrase()}."

    def phrase(self) -> str:
        """Return what it says, as a part of a sentence."""
        if self.kind in _STEPS:
            how = "taken back" if self.kind is CorrectionKind.UNDO else "made again"
            return f"the last correction is {how} ({self.note})" if self.note else f"it is {how}"
        phrase = {**_ONE_NAME, **_TWO_NAMES}[self.kind]
        return phrase.format(name=self.name, new_name=self.new_name)

    def completed(self, neurons: NeuronTable) -> "Correction":
        """Return it with the partner to swap with filled in, after a look at its names.

        Parameters
        ----------
        neurons : NeuronTable
            The neurons of the model.

        Raises
        ------
        CorrectionError
            If the model does not know a name, or the names make no sense.
        """
        if self.kind in _STEPS:
            return self
        new_name = self.new_name if self.kind in _TWO_NAMES else ""
        if self.kind is CorrectionKind.SWAP and not new_name:
            new_name = _partner(self.name, neurons)
        for name in (self.name, new_name) if self.kind in _TWO_NAMES else (self.name,):
            if name not in neurons.names:
                raise CorrectionError(
                    f"This model gives {len(neurons)} names and {name!r} is none of them; choose"
                    " one of the list of neurons."
                )
        if self.name == new_name:
            raise CorrectionError(f"{self.name} has this name already; choose another one.")
        return replace(self, new_name=new_name)


def _partner(name: str, neurons: NeuronTable) -> str:
    number = neurons.names.index(name) if name in neurons.names else -1
    other = neurons.homologues()[number] if number >= 0 else 0
    if not other:
        raise CorrectionError(
            f"{name} has no partner on the other body side in this model; rename it instead."
        )
    return neurons.name(other)


@dataclass(frozen=True, slots=True)
class CorrectionState:
    """The corrections that hold for one volume.

    Parameters
    ----------
    renamings : tuple of Correction
        Renamings and swaps, in the order in which they are applied.
    pinned, muted : frozenset of str
        Names, as they are given after all renamings.
    """

    renamings: tuple[Correction, ...] = ()
    pinned: frozenset[str] = frozenset()
    muted: frozenset[str] = frozenset()

    @property
    def vouched(self) -> frozenset[str]:
        """Names, as the model gives them, of which a person knows whose they are now.

        Those that are pinned, renamed or swapped, whether a name is meant before or after: a
        renaming leads from one of them to another.
        """
        changed = {name for one in self.renamings for name in (one.name, one.new_name)}
        return self.pinned | changed

    @classmethod
    def of(cls, holding: Iterable[Correction]) -> "CorrectionState":
        """Return what corrections, none of them undone, add up to."""
        renamings: list[Correction] = []
        pinned: set[str] = set()
        muted: set[str] = set()
        for correction in holding:
            if correction.kind in _TWO_NAMES:
                renamings.append(correction)
            elif correction.kind is CorrectionKind.PIN:
                pinned.add(correction.name)
            elif correction.kind is CorrectionKind.UNPIN:
                pinned.discard(correction.name)
            elif correction.kind is CorrectionKind.MUTE:
                muted.add(correction.name)
            else:
                muted.discard(correction.name)
        return cls(tuple(renamings), frozenset(pinned), frozenset(muted))

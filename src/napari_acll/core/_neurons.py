"""Neuron names and the class numbers that a model knows them by."""

from collections.abc import Iterable
from dataclasses import dataclass

from napari_acll.core._errors import ModelError

BACKGROUND = 0
"""Class number of everything that is not a named neuron."""
_OTHER_SIDE = {"L": "R", "R": "L"}


@dataclass(frozen=True, slots=True)
class NeuronTable:
    """Class number <-> neuron name; travels with the model, never hard-coded.

    Class 0 is the background (or, for a detection, "none of these"); the neuron at position `i`
    of `names` is class `i + 1`. Arrays with one row per neuron follow `names`.

    Parameters
    ----------
    names : tuple of str
        Neuron names, unique.

    Raises
    ------
    ModelError
        If a name is empty or stands twice.

    Examples
    --------
    >>> table = NeuronTable(("AVAL", "AVAR"))
    >>> table.class_number("AVAR"), table.name(1), len(table)
    (2, 'AVAL', 2)
    """

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for name in self.names:
            if not name.strip():
                raise ModelError("Neuron names must not be empty; correct the name table.")
            if name in seen:
                raise ModelError(
                    f"Neuron name {name!r} stands twice in the name table; names must be unique."
                )
            seen.add(name)

    @classmethod
    def from_names(cls, names: Iterable[str]) -> "NeuronTable":
        """Return the table of these names, in this order."""
        return cls(tuple(names))

    @classmethod
    def numbered(cls, n_neurons: int) -> "NeuronTable":
        """Return a table for a model that came without names: `class_001`, `class_002`, ..."""
        return cls(tuple(f"class_{number:03d}" for number in range(1, n_neurons + 1)))

    def __len__(self) -> int:
        return len(self.names)

    def name(self, class_number: int) -> str:
        """Return the name of a class number.

        Raises
        ------
        IndexError
            If the number is 0 or larger than the number of neurons.
        """
        if not 1 <= class_number <= len(self.names):
            raise IndexError(
                f"Class numbers of this model go from 1 to {len(self.names)}, got {class_number}."
            )
        return self.names[class_number - 1]

    def class_number(self, name: str) -> int:
        """Return the class number of a neuron.

        Raises
        ------
        KeyError
            If the model does not know the name.
        """
        try:
            return self.names.index(name) + 1
        except ValueError:
            raise KeyError(f"This model has no neuron {name!r}.") from None

    def homologues(self) -> tuple[int, ...]:
        """Return the class number of each neuron's partner on the other body side, 0 for none.

        Partners differ in a last letter `L` or `R` alone, and both are in the table: `AVL` is no
        partner of anything.

        Examples
        --------
        >>> NeuronTable(("AVAL", "ALA", "AVAR", "AVL")).homologues()
        (3, 0, 1, 0)
        """
        number = {name: index + 1 for index, name in enumerate(self.names)}
        return tuple(
            number.get(name[:-1] + _OTHER_SIDE.get(name[-1], "?"), 0) for name in self.names
        )

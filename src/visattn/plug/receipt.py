"""What an insertion changed, and the way back."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from visattn.core.errors import PlugError
from visattn.core.spec import Role


@dataclass(frozen=True, kw_only=True, slots=True)
class Placed:
    """One mechanism in its place.

    Attributes:
        path: The module that carries it or, for the "replaced" forms, that it replaced.
        how: "gate" (`y = A(x)`), "gate blend" (`y = x + α·(A(x) − x)`), "identity by initialisation" (`y = A(x)`, which
            is x), "replaced" (A for the convolution), "replaced from weights" (A, set to compute what the convolution
            did) or "conv blend" (`y = conv(x) + α·(A(x) − conv(x))`). α starts at 0.
        params: Parameters of the inserted module, α among them.
    """

    path: str
    how: str
    params: int


@dataclass(kw_only=True, slots=True)
class Receipt:
    """What `plug_` changed in a model.

    Attributes:
        mechanism: Catalogue name, or the name of the factory.
        role: See `visattn.Role`.
        options: What the mechanism was built with.
        identity: Whether the model was to compute at first what it computed before.
        sites: Every place and what went there.
        params_before: Parameters of the plain model.
        params_after: Parameters of the plugged model.
        tensors_total: Tensors in the plain model's state_dict.
        tensors_kept: Those that are still there, under the same key and with the same values.
        macs_before: Multiply-adds of the plain model for one image of the example's size.
        macs_after: The same for the plugged model.
        macs_uncounted: Operators that `visattn.costs.count_macs` has no formula for, and their calls. Where it is not
            empty, the two counts are lower bounds.
        max_difference: Largest absolute change of any output on the example, in evaluation mode.
        max_difference_training: The same in training mode, measured on copies with the same random numbers; None where
            the model cannot be copied or trained on the example.
    """

    mechanism: str
    role: Role
    options: dict[str, Any]
    identity: bool
    sites: tuple[Placed, ...]
    params_before: int
    params_after: int
    tensors_total: int
    tensors_kept: int
    macs_before: int
    macs_after: int
    macs_uncounted: dict[str, int]
    max_difference: float
    max_difference_training: float | None
    _undo: Callable[[], None] | None = field(repr=False, compare=False)

    @property
    def params_added(self) -> int:
        """Parameters of the plugged model minus those of the plain one."""
        return self.params_after - self.params_before

    def undo(self) -> None:
        """Give the model the very modules back that it had, and take every hook away.

        What the plain modules learnt in the meantime stays.

        Raises:
            PlugError: It was undone before, or something else was changed at one of the sites since. Nothing is
                changed then.
        """
        if self._undo is None:
            raise PlugError(f"this insertion of {self.mechanism} was already undone")
        self._undo()
        self._undo = None

    def to_json(self) -> dict[str, Any]:
        """Return everything but the way back, as plain values."""
        facts = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "_undo"}
        placed = [asdict(site) for site in self.sites]
        return facts | {"role": str(self.role), "sites": placed, "params_added": self.params_added}

    def __str__(self) -> str:
        start = "the model's output unchanged at first" if self.identity else "as published"
        width = max(len(site.path) for site in self.sites)
        training = "not measured" if self.max_difference_training is None else f"{self.max_difference_training:.2g}"
        bound = " or more" if self.macs_uncounted else ""
        return "\n".join(
            [
                f"{self.mechanism} in {len(self.sites)} places, {start}",
                *(f"  {site.path:{width}}  {site.how}  {site.params:,} parameters" for site in self.sites),
                f"parameters         {self.params_before:,} → {self.params_after:,} ({self.params_added:+,})",
                f"MACs per image     {self.macs_before:,} → {self.macs_after:,}{bound}",
                f"tensors kept       {self.tensors_kept} of {self.tensors_total}",
                f"largest difference {self.max_difference:.2g} in evaluation, {training} in training",
            ]
        )

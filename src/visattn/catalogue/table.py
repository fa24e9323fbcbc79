"""Every mechanism, one line each. A new mechanism is a new line here."""

from visattn.core.spec import Spec
from visattn.layers.channel import se

SPECS: tuple[Spec, ...] = (se.SPEC,)

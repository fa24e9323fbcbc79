"""Every mechanism, one line each. A new mechanism is a new line here."""

from visattn.core.spec import Spec
from visattn.layers.channel import cbam_channel, eca, se
from visattn.layers.context import gc
from visattn.layers.conv import acmix, drconv, rfaconv
from visattn.layers.mixed import cbam, coordatt
from visattn.layers.spatial import cbam_spatial

SPECS: tuple[Spec, ...] = (
    acmix.SPEC,
    cbam.SPEC,
    cbam_channel.SPEC,
    cbam_spatial.SPEC,
    coordatt.SPEC,
    drconv.SPEC,
    eca.SPEC,
    gc.SPEC,
    rfaconv.SPEC,
    se.SPEC,
)

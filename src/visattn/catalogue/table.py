"""Every mechanism, one line each. A new mechanism is a new line here."""

from visattn.core.spec import Spec
from visattn.layers.channel import cbam_channel, cse, eca, fcanet, se
from visattn.layers.context import gc
from visattn.layers.conv import acmix, caconv, camconv, cbamconv, drconv, rfaconv, rfcaconv, rfcbamconv
from visattn.layers.mixed import cbam, coordatt, scse
from visattn.layers.spatial import cbam_spatial, sse

SPECS: tuple[Spec, ...] = (
    acmix.SPEC,
    caconv.SPEC,
    camconv.SPEC,
    cbam.SPEC,
    cbam_channel.SPEC,
    cbam_spatial.SPEC,
    cbamconv.SPEC,
    coordatt.SPEC,
    cse.SPEC,
    drconv.SPEC,
    eca.SPEC,
    fcanet.SPEC,
    gc.SPEC,
    rfaconv.SPEC,
    rfcaconv.SPEC,
    rfcbamconv.SPEC,
    scse.SPEC,
    se.SPEC,
    sse.SPEC,
)

"""Putting mechanisms into networks, and taking them out."""

from visattn.plug.apply import plug_ as plug_
from visattn.plug.controls import NoOp as NoOp
from visattn.plug.controls import PointwiseControl as PointwiseControl
from visattn.plug.controls import no_op as no_op
from visattn.plug.controls import pointwise_control as pointwise_control
from visattn.plug.receipt import Placed as Placed
from visattn.plug.receipt import Receipt as Receipt
from visattn.plug.sites import Site as Site
from visattn.plug.sites import find_sites as find_sites

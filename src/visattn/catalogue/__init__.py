"""The table of every mechanism, and what can be asked of it."""

from visattn.catalogue.official import from_official as from_official
from visattn.catalogue.query import create as create
from visattn.catalogue.query import list_mechanisms as list_mechanisms
from visattn.catalogue.query import spec as spec

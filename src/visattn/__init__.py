"""Visual attention for PyTorch: exact mechanisms, harmless insertion, honest comparison."""

__version__ = "0.1.0"

from visattn.catalogue import create as create
from visattn.catalogue import from_official as from_official
from visattn.catalogue import list_mechanisms as list_mechanisms
from visattn.catalogue import spec as spec
from visattn.comparison import compare as compare
from visattn.core import Role as Role
from visattn.core import Spec as Spec
from visattn.core import VisattnError as VisattnError
from visattn.costs import cost as cost
from visattn.explanations import explain as explain
from visattn.plug import plug_ as plug_

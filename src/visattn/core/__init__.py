"""What every part of the library shares; imports nothing of ours."""

from visattn.core.errors import ConfigError as ConfigError
from visattn.core.errors import DataError as DataError
from visattn.core.errors import PlugError as PlugError
from visattn.core.errors import RunError as RunError
from visattn.core.errors import ShapeError as ShapeError
from visattn.core.errors import UnknownNameError as UnknownNameError
from visattn.core.errors import VisattnError as VisattnError
from visattn.core.spec import Cost as Cost
from visattn.core.spec import Official as Official
from visattn.core.spec import Paper as Paper
from visattn.core.spec import Role as Role
from visattn.core.spec import Spec as Spec

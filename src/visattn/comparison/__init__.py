"""Plans, runs and statistics: does a mechanism help, and at what cost?"""

from visattn.comparison.choices import Choice as Choice
from visattn.comparison.choices import parse_choices as parse_choices
from visattn.comparison.compare import Comparison as Comparison
from visattn.comparison.compare import compare as compare
from visattn.comparison.compare import run_plan as run_plan
from visattn.comparison.plan import Plan as Plan
from visattn.comparison.progress import Bars as Bars
from visattn.comparison.progress import Display as Display
from visattn.comparison.progress import Silent as Silent

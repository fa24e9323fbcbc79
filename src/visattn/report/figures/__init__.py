"""The drawings of the report: SVG whose text keeps its size at every width, because places are percentages."""

from visattn.report.figures.curves import METRICS as METRICS
from visattn.report.figures.curves import learning_curves as learning_curves
from visattn.report.figures.forest import forest_axis as forest_axis
from visattn.report.figures.forest import forest_scale as forest_scale
from visattn.report.figures.forest import forest_strip as forest_strip
from visattn.report.figures.heatmap import heatmap_uri as heatmap_uri
from visattn.report.figures.scatter import plotted as plotted
from visattn.report.figures.scatter import scatter as scatter

"""Stored results as a table in the terminal and as one HTML file."""

from visattn.report.page import render_html as render_html
from visattn.report.page import write_html as write_html
from visattn.report.schema import SCHEMA as SCHEMA
from visattn.report.schema import validate as validate
from visattn.report.table import print_table as print_table
from visattn.report.table import summary_table as summary_table

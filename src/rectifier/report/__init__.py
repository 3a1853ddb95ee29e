"""From a verdict to what people see: charts, one page, the terminal.

Everything here is drawn from plain data (a verdict as dict, runs, an inspection as dict), so
that a folder can be rendered again without training anything.
"""

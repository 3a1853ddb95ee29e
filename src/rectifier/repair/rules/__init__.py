"""What counts as a fault: of wiring, of units, of gradients and weights.

Rules read plain data of :mod:`rectifier.repair.structure`, :mod:`rectifier.repair.statistics` and
:mod:`rectifier.repair.gradients`; none of them knows a framework.
"""

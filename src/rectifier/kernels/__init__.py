"""Loops for this processor, fed with any rule of the catalogue.

=============  ==================================================================
``source``     the loops around a rule, as text that LLVM reads
``compiler``   text to machine code to an address
``store``      machine code on disk, for the next process
``threads``    long arrays in pieces
``cpu``        :func:`~rectifier.kernels.cpu.kernel`: all of it, by rule and dtype
``bits``       f with a note of the straight line each element is on, and gradients from the notes
=============  ==================================================================

It all needs ``llvmlite`` (the extra "fast"); :func:`rectifier.kernels.cpu.available` tells. What
the rules say is spoken in :mod:`rectifier.ops.on_llvm`.
"""

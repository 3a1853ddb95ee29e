"""A trainer in machine code: runs of the built-in network as lanes of a register.

=============  ==================================================================
``job``        what the code is told, and where everything lies in memory
``emit``       what it is written with: loops, vectors, tiles of a product
``passes``     a block of rows forward, its loss, and backward
``source``     epochs of those: Adam, validation, early stopping
``program``    the code and its arrays for one task
``engine``     a task after the other on every core
=============  ==================================================================

An activation enters as its kernel of :mod:`rectifier.kernels`, by address. What all this serves
is said in :mod:`rectifier.study.train.choice`.
"""

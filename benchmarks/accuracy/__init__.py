"""How exact every entry is, measured: see ``python -m benchmarks.accuracy --help``.

=============  ==================================================================
``reference``  every float32 input's exact result, as polynomials through mpmath's numbers
``sweep``      our NumPy door against it, over all 2^32 inputs of float32
``contenders`` everyone who computes an entry: our doors, torch's and JAX's own functions
``sample``     all of them on strided inputs, in four dtypes
``processes``  sweeps in processes of their own, with a progress bar
``table``      the rows on disk
``page``       docs/accuracy.md, from the table
=============  ==================================================================

The table is :mod:`rectifier.catalog.accuracy`'s, so that an installed Rectifier has it too.
"""

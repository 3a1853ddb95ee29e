"""A limit of addresses (``ulimit -v``) under which no chart can be drawn, told before it is met."""

from __future__ import annotations

from rectifier.errors import InputError

# vl-convert's JavaScript engine (V8) reserves 64 GiB of addresses, of which it uses few. Where it
# may not, it ends the process with a trap that no Python code sees.
RESERVED = 66 * 2**30


def check_addresses() -> None:
    """Raises InputError if this process may not have the addresses that charts need."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < RESERVED:
        raise InputError(
            f"charts cannot be drawn here: their engine reserves {RESERVED >> 30} GiB of "
            f"addresses (it uses little memory), and this shell allows "
            f"{limit / 2**30:.1f} GiB; raise the limit with: ulimit -v unlimited"
        )

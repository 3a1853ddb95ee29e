"""What hypothesis draws formulas from."""

from __future__ import annotations

from hypothesis import strategies as st

# Arithmetic in x, a and pi that is read without complaint, if not always finite.
expressions = st.recursive(
    st.sampled_from(["x", "a", "pi", "1", "0.5", "3"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/"), inner).map("({0[0]}{0[1]}{0[2]})".format),
        st.tuples(inner, st.sampled_from(["2", "3", "0.5", "-1"])).map("({0[0]})**{0[1]}".format),
        st.tuples(
            st.sampled_from(["exp", "tanh", "softplus", "relu", "abs", "erf", "log1p", "sinh"]),
            inner,
        ).map("{0[0]}({0[1]})".format),
        st.tuples(st.sampled_from(["max", "min"]), inner, inner).map(
            "{0[0]}({0[1]},{0[2]})".format
        ),
        st.tuples(inner, st.sampled_from("<>"), inner, inner, inner).map(
            "where({0[0]}{0[1]}{0[2]},{0[3]},{0[4]})".format
        ),
    ),
    max_leaves=25,
)

"""Numbers with as many digits as they carry."""

import math

_DIGITS = 4  # of a number without an error


def with_error(value: float, error: float | None) -> str:
    """Returns a number with its error, both cut at the error's second digit.

    >>> with_error(5.59262, 0.62661), with_error(0.0763, 0.0171), with_error(1234.5, 87.0)
    ('5.59 ± 0.63', '0.076 ± 0.017', '1234 ± 87')
    >>> with_error(5.59262, None), with_error(0.5, 0.0)
    ('5.593', '0.5')
    """
    if not error or not math.isfinite(error):
        return f"{value:.{_DIGITS}g}"
    places = decimals(error)
    return f"{value:.{places}f} ± {error:.{places}f}"


def decimals(error: float) -> int:
    """Returns the decimal places that show two digits of an error; 0 for large ones.

    >>> decimals(0.0171), decimals(0.63), decimals(87), decimals(0.0996)
    (3, 2, 0, 2)
    """
    return max(0, 1 - math.floor(math.log10(float(f"{abs(error):.1e}"))))

"""The errors a user can cause. Each message says what was got, what was expected and what to do."""


class VisattnError(Exception):
    """Base of every error that is the caller's to mend; the command line turns it into exit code 2.

    Args:
        problem: What went wrong, naming the value that was got and what was expected.
        hint: What to do about it.

    >>> print(VisattnError("size 0 is not positive", hint="pass --size 32"))
    size 0 is not positive: pass --size 32
    """

    def __init__(self, problem: str, *, hint: str = "") -> None:
        super().__init__(problem, hint)
        self.problem = problem
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.problem}: {self.hint}" if self.hint else self.problem

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.problem, self.hint)


def _rebuild(kind: type[VisattnError], problem: str, hint: str) -> VisattnError:
    return kind(problem, hint=hint)


class UnknownNameError(VisattnError, LookupError):
    """A name that is in no table; the hint holds the nearest names."""


class ConfigError(VisattnError, ValueError):
    """An option, or a combination of options, that has no meaning."""


class ShapeError(VisattnError, ValueError):
    """A size that the mathematics of a mechanism forbids."""


class PlugError(VisattnError):
    """A mechanism that cannot go where it was asked to go."""


class DataError(VisattnError):
    """Data that cannot be read or cannot be learnt from."""


class RunError(VisattnError):
    """A run folder that cannot be written, or that another version wrote."""

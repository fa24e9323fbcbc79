"""The `visattn` command: parses, calls one library function, prints. A user's mistake gives exit code 2."""

import sys

from visattn.core.errors import VisattnError


def main() -> None:
    """Run the command line."""
    try:
        from visattn.cli.app import app
    except ImportError as error:
        print(f'{error.name} is not installed: pip install "visattn[compare]"', file=sys.stderr)  # noqa: T201
        sys.exit(2)
    try:
        app()
    except VisattnError as error:
        print(f"visattn: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(2)
    except KeyboardInterrupt:
        print("visattn: stopped; the same command goes on where this one was", file=sys.stderr)  # noqa: T201
        sys.exit(130)


if __name__ == "__main__":
    main()

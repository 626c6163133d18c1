"""`python -m stories_cli`, and the `stories` command."""

from .app import app


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()

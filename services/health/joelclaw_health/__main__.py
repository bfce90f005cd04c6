"""Being built."""


def main() -> None:
    """Being built."""

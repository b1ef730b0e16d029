"""The error that a run folder cannot be used."""


class UnusableFolder(ValueError):  # noqa: N818
    """A run folder that cannot be read or written; nothing in it was touched."""

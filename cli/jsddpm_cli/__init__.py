"""The ``jsddpm`` command: thin commands over the packages, each importing what it needs when it runs."""

"""Background tasks: media workers and sweeps, each bounded per iteration."""

"""What the server costs, measured: `make bench`, or `make bench QUICK=1` for whether it works at all."""

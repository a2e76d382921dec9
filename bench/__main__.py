"""`python -m bench`: the sections of `bench.run`."""

from bench.run import main

if __name__ == "__main__":
    main()

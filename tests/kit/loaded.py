"""The collector as a program whose last line says which modules it has loaded."""

import sys

from collector.__main__ import main

if __name__ == "__main__":
    code = main()
    print(*sys.modules)
    sys.exit(code)

"""`python -m tools.codegen`: write every generated file."""

from stories_embedded import openapi

from . import CHECKOUT, write

openapi.main()
for path in write():
    print(path.relative_to(CHECKOUT))

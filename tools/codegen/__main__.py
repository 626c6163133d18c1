"""`python -m tools.codegen`: write every document that is made from code."""

from stories_embedded import openapi

from . import CHECKOUT, write

openapi.main()
for path in write():
    print(path.relative_to(CHECKOUT))

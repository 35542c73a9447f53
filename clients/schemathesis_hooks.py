"""What GitHub's schema leaves out of the answers that it describes, for schemathesis.

Kept as narrow as it can be: the status 404, with the body that the schema has for errors. GitHub
answers 404 where the viewer may not know whether there is such an account, and for a cost center
that is not there, and the schema lists it for a part of these operations only.
"""

import schemathesis

NOT_FOUND = {
    "description": "Resource not found, or not for this viewer to know of",
    "content": {
        "application/json": {"schema": {"$ref": "#/components/schemas/basic-error"}},
    },
}


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """Adds the answer to the operations that lack it."""
    for item in raw_schema["paths"].values():
        operation = item.get("get")
        if operation is not None:
            operation["responses"].setdefault("404", NOT_FOUND)

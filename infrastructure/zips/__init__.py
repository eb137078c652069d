"""The zips of the Lambda functions: what goes in, and how it comes out the same each time.

A function carries what it imports. That is found by reading, not by running: from the handler's module on,
every import statement of our own modules (and of plugins) is followed, those inside functions too, so that
what is imported on first use is in the zip without anybody having listed it; an import under ``if
TYPE_CHECKING`` is not one. The libraries met that way come with what their metadata says they need, at the
locked versions. Running the handler instead would miss what is imported late, and take along what a library
merely tries to import because it happens to be installed here.

Reading sees more than a function does: a handler that only checks actions also reaches, on paper, the code
that performs them. What is left out for that is listed in ``functions.py``, with the reason; the tests import
every zip with nothing beside it but the runtime's own libraries.
"""

"""The package's logger: silent unless the application configures logging."""

import logging

logger = logging.getLogger("pyesdb")
logger.addHandler(logging.NullHandler())

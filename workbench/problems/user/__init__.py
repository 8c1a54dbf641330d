"""Problems of the user's own: a table or a simulator."""

from workbench.problems.base import members_of

__getattr__ = members_of(__name__)

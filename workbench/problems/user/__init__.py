"""Problems of the user's own: a table or a simulator."""

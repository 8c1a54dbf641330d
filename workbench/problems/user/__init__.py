"""Problems that the user defines: a table of data, or a prior and a simulator in Python."""

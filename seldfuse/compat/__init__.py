"""Other people's packages, brought to run where they would not."""

"""Checks of data sets before anything is learned or scored from them: labels, sound and classes against each other."""

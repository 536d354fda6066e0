"""When sources sound: the statistics of real labels, and timelines drawn from them."""

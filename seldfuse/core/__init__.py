"""The values that everything speaks of: labels, clips, posteriors, events, detections, results."""

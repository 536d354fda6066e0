"""The visual correction: detections correct the azimuth and on-screen of a posterior."""

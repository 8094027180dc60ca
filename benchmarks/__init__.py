"""One command each: accuracy, calibration, speed, scale."""

"""Training and evaluation of the bundled labeler on simulated animals."""

"""Records about what galleries hold: where images are placed, and live versions without proof."""

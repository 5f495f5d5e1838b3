"""The chapters of the story, which run beside its base; `contents` lists them all."""

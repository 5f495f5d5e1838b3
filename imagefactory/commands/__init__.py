"""The groups of subcommands; `imagefactory.main` puts them together and has the ungrouped ones."""

"""`python -m imagefactory`: the command without its console script."""

from imagefactory.main import app

if __name__ == "__main__":
    app(prog_name="imagefactory")

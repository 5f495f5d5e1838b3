"""The routes of grants: who may build on whose image, and which rule an image may fail, until when."""

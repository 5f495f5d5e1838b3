"""The files of its bundle that a definition names, and their places. Pure: it does not look into the bundle."""

from collections.abc import Iterator

from pipeline_core.domain.definitions import AnsibleStep, FileStep, ImageDefinition, ShellStep


def places_of_paths(definition: ImageDefinition) -> Iterator[tuple[str, str]]:
    """(place in the document, file) in the order of the document; a file may come more than once."""
    for position, step in enumerate(definition.build.provisioners):
        place = f"spec.build.provisioners[{position}]"
        match step:
            case ShellStep():
                yield f"{place}.shell", step.script
            case AnsibleStep():
                yield f"{place}.ansible", step.playbook
            case FileStep():
                yield f"{place}.file", step.path
    if definition.verify.goss is not None:
        yield "spec.verify.goss", definition.verify.goss
    for position, path in enumerate(definition.verify.smoke):
        yield f"spec.verify.smoke[{position}]", path
    target = definition.verify.compliance
    if target is not None and target.tailoring is not None:
        yield "spec.verify.compliance.tailoring", target.tailoring

"""Fetches the schemas of the custom resources that the charts render, out of their authors' own Go modules.

`python deploy/tools/crds.py FOLDER`, with Go on the PATH. Versions are pinned with the sums that Go gives them.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# module, version, sum, the files that are wanted
MODULES = (
    (
        "sigs.k8s.io/gateway-api",
        "v1.4.0",
        "h1:ZwlNM6zOHq0h3WUX2gfByPs2yAEsy/EenYJB78jpQfQ=",
        ("config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",),
    ),
    (
        "github.com/kedacore/keda/v2",
        "v2.18.1",
        "h1:h6bRt/IOxxtZpJlHSqhdH/lcInH7Z9obxg/JvWOmGAw=",
        ("config/crd/bases/keda.sh_scaledobjects.yaml", "config/crd/bases/keda.sh_triggerauthentications.yaml"),
    ),
    (
        "github.com/prometheus-operator/prometheus-operator",
        "v0.76.2",
        "h1:B+UcRc7py+zpow2H+q2V8sPF3jmsQNreJujBt36wZ+Q=",
        (
            "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
            "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
        ),
    ),
)


def main(folder: Path) -> None:
    """Put every wanted file into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    # The sums above say more than a checksum server could.
    environment = os.environ | {"GOSUMDB": "off", "GOTOOLCHAIN": "local"}
    for module, version, wanted, files in MODULES:
        with tempfile.TemporaryDirectory() as empty:
            run = subprocess.run(
                ["go", "mod", "download", "-json", f"{module}@{version}"],
                cwd=empty,
                env=environment,
                stdout=subprocess.PIPE,
                check=False,
            )
        found = json.loads(run.stdout or "{}")
        if found.get("Sum") != wanted:
            sys.exit(f"{module} {version}: {found.get('Error', 'another sum than expected')}")
        for file in files:
            shutil.copyfile(Path(found["Dir"]) / file, folder / Path(file).name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

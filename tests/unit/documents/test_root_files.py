"""The files that people and tools look for at the root say what the project does today."""

import re
import tomllib

import yaml

import openoutcry
from tests import ROOT
from tests.support.documents.llms import LINK, page


def test_llms_txt_is_made_from_the_index() -> None:
    assert (ROOT / "llms.txt").read_text() == page(), "run python -m tests.support.documents.llms"


def test_llms_txt_leads_to_every_page() -> None:
    reached = {target for _, target in LINK.findall(page())}
    pages = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md")}
    assert pages - {"docs/index.md"} <= reached


def test_the_workflow_runs_the_two_commands() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    (job,) = workflow["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == ["make run", "make test"]
    (python,) = (step["with"]["python-version"] for step in job["steps"] if "with" in step)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">={python}"


def test_the_citation_names_this_version_and_licence() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert citation["version"] == openoutcry.__version__
    assert citation["license"] == project["license"]
    assert citation["cff-version"] == "1.2.0"
    assert {"title", "message", "authors"} <= citation.keys()


def test_each_issue_template_has_a_name_and_says_what_it_is_for() -> None:
    templates = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.md"))
    assert templates
    for template in templates:
        _, front, body = template.read_text().split("---\n", 2)
        assert {"name", "about"} <= yaml.safe_load(front).keys(), template
        assert body.strip(), template


def test_these_files_name_no_mailbox() -> None:
    """There is none: reports go to the issue tracker, or privately to the hosting service."""
    for name in ("CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md", "CITATION.cff"):
        assert not re.search(r"\S@\S|mailto:", (ROOT / name).read_text()), name

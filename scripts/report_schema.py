"""Write docs/deployment-report.schema.json from the report's value: `python scripts/report_schema.py [--check]`."""

import json
import sys
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import SerSchema

from deployguard.codec import adapter
from deployguard.config.units import format_duration, percentage_number
from deployguard.story.report import REPORT_VERSION, Report

SCHEMA = Path(__file__).parent.parent / "docs" / "deployment-report.schema.json"


WRITTEN: dict[Any, str] = {percentage_number: "number", format_duration: "string"}
"""What JSON has of values that the codec spells in a way of its own."""


class _AsWritten(GenerateJsonSchema):
    """The schema of what is written, not of what is held: 7.5, not 750."""

    def ser_schema(self, schema: SerSchema) -> JsonSchemaValue | None:
        kind = WRITTEN.get(schema.get("function"))
        return {"type": kind} if kind else super().ser_schema(schema)


def schema() -> str:
    """The whole schema as text."""
    found = adapter(Report).json_schema(by_alias=True, mode="serialization", schema_generator=_AsWritten)
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "deployguard deployment report",
        "description": f"schemaVersion {REPORT_VERSION}. {found.pop('description')}",
    }
    found.pop("title")
    found["properties"]["schemaVersion"]["const"] = REPORT_VERSION
    for part in (found, *found["$defs"].values()):
        if "properties" in part:
            part["required"] = list(part["properties"])  # every field is always written
            part.pop("additionalProperties", None)  # a later report may have more: readers pass it over
    return json.dumps(head | found, indent=2, ensure_ascii=False) + "\n"


def main() -> int:
    """Write the schema, or with `--check` say whether it is what the value makes. Exit 1 where it is not."""
    if sys.argv[1:] != ["--check"]:
        SCHEMA.write_text(schema(), encoding="utf-8")
        return 0
    if SCHEMA.is_file() and SCHEMA.read_text(encoding="utf-8") == schema():
        return 0
    sys.stderr.write(f"{SCHEMA.name} is not what the report is: run python scripts/report_schema.py\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())

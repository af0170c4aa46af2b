"""What a table of the file is, and the numbers, texts and files that tables share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PlainValidator

from sluicegate.settings import fields

HIGHEST_RATE = 1e7
LOWEST_RATE = 0.001  # below, one request takes longer than a quarter of an hour: surely a mistake

Number = Annotated[float, Field(allow_inf_nan=False)]
Rate = Annotated[Number, Field(ge=LOWEST_RATE, le=HIGHEST_RATE)]
Weight = Annotated[Number, Field(ge=0.001, le=1000)]
Seconds = Annotated[Number, Field(ge=0.01, le=3600)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
File = Annotated[Path, PlainValidator(fields.file_path)]
Folder = Annotated[Path, PlainValidator(fields.folder_path)]
Address = Annotated[fields.Address, PlainValidator(fields.address)]
Url = Annotated[fields.Upstream, PlainValidator(fields.upstream)]
Name = Annotated[str, PlainValidator(fields.name)]


class Table(BaseModel):
    """A table of the file: nothing is converted, nothing can be changed, an unknown key is an error."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")
